import Foundation
import JSON
import KubernetesAPI
import TestSupport
import Testing

extension World {
    /// The kinds of snapshots, as deploy/ states them.
    static func installSnapshots() async throws {
        let output = try await KubeLab.kubectl("apply", "-k", KubeLab.file("deploy/snapshots"))
        #expect(output.end == .exited(0), "\(output.text)")
        for kind in SnapshotAPI.resources {
            let output = try await KubeLab.kubectl(
                "wait",
                "--timeout=120s",
                "--for=condition=Established",
                "crd/\(kind).\(SnapshotAPI.group)"
            )
            #expect(output.end == .exited(0), "\(output.text)")
        }
    }

    /// Takes the kinds away, and all objects of them.
    static func removeSnapshots() async throws {
        let folder = KubeLab.file("deploy/snapshots")
        let output = try await KubeLab.kubectl("delete", "--ignore-not-found", "-k", folder)
        #expect(output.end == .exited(0), "\(output.text)")
    }

    /// Makes a VolumeSnapshotClass of the world's name.
    func makeSnapshotClass(_ className: String? = nil, policy: String = "Delete") async throws {
        let path = APIPath.volumeSnapshotClasses
        let named = className ?? name
        _ = try await client.call(
            .create(
                path,
                [
                    "apiVersion": .string(SnapshotAPI.version), "kind": "VolumeSnapshotClass",
                    "metadata": ["name": .string(named)], "driver": .string(driver), "deletionPolicy": .string(policy),
                ]
            )
        )
    }

    func endSnapshotClass(_ className: String? = nil) async {
        _ = try? await client.call(APICall(.delete, "\(APIPath.volumeSnapshotClasses)/\(className ?? name)"))
    }

    /// Makes a VolumeSnapshot of a claim.
    @discardableResult
    func snapshot(_ snapshotName: String, of claimName: String, class named: String? = nil) async throws
        -> VolumeSnapshot
    {
        try await makeSnapshot(snapshotName, ["persistentVolumeClaimName": .string(claimName)], named)
    }

    /// Makes a VolumeSnapshot for a content that is there.
    @discardableResult
    func snapshot(_ snapshotName: String, for content: String) async throws -> VolumeSnapshot {
        try await makeSnapshot(snapshotName, ["volumeSnapshotContentName": .string(content)], nil)
    }

    private func makeSnapshot(_ name: String, _ source: JSONValue, _ named: String?) async throws -> VolumeSnapshot {
        let spec: JSONValue = ["source": source, "volumeSnapshotClassName": .string(named ?? self.name)]
        let object = try await client.call(
            .create(
                APIPath.snapshots(in: self.name),
                [
                    "apiVersion": .string(SnapshotAPI.version), "kind": "VolumeSnapshot",
                    "metadata": ["name": .string(name)], "spec": spec,
                ]
            )
        )
        return try #require(VolumeSnapshot(object))
    }

    func snapshots() async throws -> [VolumeSnapshot] {
        try await client.call(.get(APIPath.snapshots(in: name)))["items"]?.elements.compactMap { VolumeSnapshot($0) }
            ?? []
    }

    func snapshot(named snapshotName: String) async throws -> VolumeSnapshot? {
        try await snapshots().first { $0.metadata.name == snapshotName }
    }

    /// The contents of this world's driver.
    func contents() async throws -> [VolumeSnapshotContent] {
        try await client.call(.get(APIPath.volumeSnapshotContents))["items"]?.elements
            .compactMap { VolumeSnapshotContent($0) }.filter { $0.driver == driver } ?? []
    }

    func deleteSnapshot(_ snapshotName: String) async throws {
        _ = try await client.call(APICall(.delete, APIPath.volumeSnapshot(name, snapshotName)))
    }

    /// Waits until a VolumeSnapshot is ready.
    func waitTaken(_ snapshotName: String, within limit: Duration = .seconds(180)) async throws {
        do {
            try await eventually("VolumeSnapshot \(snapshotName) is ready", within: limit) {
                try await snapshot(named: snapshotName)?.isReady ?? false
            }
        } catch {
            let found = try await snapshot(named: snapshotName)
            Issue.record("\(String(describing: found))\n\(logText("a").suffix(2000))\n\(logText("b").suffix(2000))")
            throw error
        }
    }

    /// Waits until no VolumeSnapshot and no content is left.
    func waitNoSnapshots(within limit: Duration = .seconds(180)) async throws {
        do {
            try await eventually("no snapshot is left", within: limit) {
                let (snapshots, contents) = (try? await snapshots(), try? await contents())
                return snapshots?.isEmpty ?? false && contents?.isEmpty ?? false
            }
        } catch {
            Issue.record("\(try await snapshots())\n\(try await contents())")
            throw error
        }
    }

    /// The data source of a claim.
    static func source(snapshot named: String) -> [String: JSONValue] {
        ["dataSource": ["apiGroup": .string(SnapshotAPI.group), "kind": "VolumeSnapshot", "name": .string(named)]]
    }

    static func source(claim named: String) -> [String: JSONValue] {
        ["dataSource": ["kind": "PersistentVolumeClaim", "name": .string(named)]]
    }

    /// Runs Ceph's own `rbd` on the world's pool; returns its output.
    @discardableResult
    func rbd(_ words: String...) async throws -> String {
        let log = "\(directory)/rbd-\(UInt32.random(in: 0...UInt32.max))"
        let all = ["-c", "\(cluster.directory)/ceph.conf", "-p", Self.pool] + words
        let process = try ChildProcess("/usr/bin/rbd", all, log: log)
        let end = try await process.end()
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        #expect(end == .exited(0), "rbd \(words): \(text)")
        return text
    }

    /// Writes a few MiB, of other bytes each time.
    func scribble(_ image: String) async throws {
        // rbd bench draws places and bytes by the second: two in the same one would write the same.
        try await Task.sleep(for: .seconds(1.1))
        try await rbd(
            "bench",
            "--io-type",
            "write",
            "--io-pattern",
            "rand",
            "--io-size",
            "64K",
            "--io-total",
            "2M",
            image
        )
    }

    /// All bytes of an image, or of a snapshot of it.
    func bytes(_ image: String) async throws -> Data {
        let file = "\(directory)/export-\(UInt32.random(in: 0...UInt32.max))"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await rbd("export", "--no-progress", image, file)
        return try Data(contentsOf: URL(filePath: file))
    }

    /// The image of a bound claim.
    func image(of claimName: String) async throws -> String {
        "\(name)-\(try #require(try await claim(named: claimName)).metadata.uid)"
    }
}
