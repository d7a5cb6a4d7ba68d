import CephVolumes
import Foundation
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

/// The same in other places than a pool by itself.
extension StaleMarkTests {
    enum Site: String, Sendable, CaseIterable {
        case namespace = "a RADOS namespace"
        case dataPool = "a pool of data"
    }

    /// These tests in that place, and the file that names it.
    private func moved(to site: Site) async throws -> (tests: StaleMarkTests, configurationPath: String) {
        let path = "\(NSTemporaryDirectory())/nacre-\(UUID().uuidString).json"
        var text = try String(contentsOfFile: cluster.configurationPath, encoding: .utf8)
        var (namespace, layout) = ("", self.layout)
        switch site {
        case .namespace:
            namespace = "stale-\(uuid)"
            try await cluster.execute("rbd", "namespace", "create", "rbd/\(namespace)")
            text.replace("\"monitors\"", with: "\"rbd\":{\"radosNamespace\":\"\(namespace)\"},\"monitors\"")
        case .dataPool:
            layout["dataPool"] = "replicapool"
        }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return (try StaleMarkTests(namespace: namespace, layout: layout, configurationPath: path), path)
    }

    @Test(
        "In a RADOS namespace, and with a data pool: what a killed maker left is completed or removed, and a person's stays",
        arguments: Site.allCases,
        [true, false]
    )
    func site(_ site: Site, isClone: Bool) async throws {
        let (there, path) = try await moved(to: site)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let volume = try await there.bench.create(there.bench.request(there.uuid))
        #expect(volume.id.namespace == there.namespace)
        try await there.heal(isClone, volume)
        try await there.stranger(isClone, volume)
        try await there.bench.delete(volume.id.description)
    }

    /// A person gives an image the name of what a killed maker left.
    private func stranger(_ isClone: Bool, _ volume: Volume) async throws {
        try await killMaker(from: isClone ? source(image) : nil)
        let pool = layout["dataPool"].map { "--data-pool \($0)" } ?? ""
        try await shell("rbd rm --no-progress $copy; rbd create --size 64M \(pool) $copy; write $copy")
        let before = try await shell("rbd export --no-progress $copy - | sha256sum")
        let mark = "\(isClone ? "nacre_cloning" : "nacre_making").\(copy)"
        for isDeletion in [false, true] {
            let error = await refusal {
                if isDeletion { return try await bench.delete(try handle(copy)) }
                _ = try await bench.create(
                    isClone ? bench.clone(other, from: .volume(volume.id.description)) : bench.request(other)
                )
            }
            let way = "rados -p rbd \(namespace.isEmpty ? "" : "-N \(namespace) ")rm \(mark)"
            for words in ["'\(space)/\(copy)'", way] {
                #expect(error?.message.contains(words) == true, "\(words): \(error?.message ?? "")")
            }
        }
        #expect(try await shell("rbd export --no-progress $copy - | sha256sum") == before)
        try await shell("rbd rm --no-progress $copy")
        try await bench.delete(try handle(copy))
        #expect(try await !census.holds(mark))
        #expect(try await !hasCloneSnapshot())
    }
}
