import Foundation
import RBD
import TestSupport
import Testing

/// Chains of backups on a real Ceph; `rbd export` tells what has to come back.
@Suite("nacre backup", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct BackupChainTests {
    private static let unit: UInt64 = 1 << 20

    /// Some changes of a volume of so many MiB: writes of all sizes, zeroes, and whole objects that go.
    private func change(_ lab: BackupLab, _ mebibytes: UInt64, _ random: inout SeededRandom) async throws {
        let size = mebibytes * Self.unit
        let ranges = (0..<Int.random(in: 1...6, using: &random)).map { _ in
            let length = UInt64(1) << UInt64.random(in: 9...19, using: &random)
            let start = UInt64.random(in: 0...size - length, using: &random) / 512 * 512
            return start..<start + length
        }
        try await lab.write(ranges, &random)
        let place = UInt64.random(in: 0..<size / Self.unit, using: &random) * Self.unit
        try await lab.write { (image) throws(RBDError) in
            try image.write([UInt8](repeating: 0, count: 65536)[...], at: place)
        }
    }

    @Test("A volume is restored as it was at any of 50 increments, also when others of them are gone")
    func chain() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "32MiB")
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        var mebibytes: UInt64 = 32
        var sums: [String] = []
        var backups: [BackupLab.Report] = []
        for index in 0...50 {
            if index == 20 {
                mebibytes = 45
                let grown = try await lab.nacre("volume expand \(lab.handle) --size 45MiB --direct")
                #expect(grown.status == 0, "\(grown)")
            }
            // An increment of nothing is one, too.
            if index != 33 { try await change(lab, mebibytes, &random) }
            sums.append(try await lab.sum(lab.image))
            backups.append(try await lab.create())
            #expect(backups[index].kind == (index == 0 ? "full" : "incremental"), "\(backups[index]), seed \(seed)")
            #expect(backups[index].parent == (index == 0 ? nil : backups[index - 1].id))
            #expect(try await lab.snapshots() == ["csi-backup-\(backups[index].id)"], "seed \(seed)")
            #expect(try await lab.records() == ["nacre.backup/csi-backup-\(backups[index].id)"])
        }
        #expect(backups[33].readBytes == 0)
        func check(_ index: Int) async throws {
            let name = "\(lab.name)-\(index)"
            let image = try await lab.restore(backups[index].id, as: name)
            #expect(try await lab.sum(image) == sums[index], "increment \(index), seed \(seed)")
            try await lab.remove(name)
        }
        for index in Set([0, 1, 19, 20, 33, 50] + (0..<4).map { _ in Int.random(in: 0...50, using: &random) }) {
            try await check(index)
        }
        let plan = try await lab.backup("prune \(lab.handle) --keep-last 20 --plan")
        #expect(plan.output.split(separator: "\n").count == 31, "\(plan)")
        let gone = try await lab.backup("delete \(backups[40].id) --yes")
        #expect(gone.status == 0, "\(gone)")
        let pruned = try await lab.backup("prune \(lab.name) --keep-last 20")
        #expect(pruned.status == 0 && pruned.output.contains("removed \(backups[29].id)"), "\(pruned)")
        let listed = try await lab.backup("list --quiet")
        #expect(listed.output.split(separator: "\n").map(String.init) == (backups[30..<40] + backups[41...]).map(\.id))
        let checked = try await lab.backup("verify")
        #expect(checked.status == 0, "\(checked)")
        for index in [30, 39, 41, 50] { try await check(index) }
        // All that is there is needed.
        let again = try await lab.backup("prune \(lab.name) --keep-last 20")
        #expect(again.status == 0 && again.output == "", "\(again)")
    }

    @Test("A flipped bit anywhere is found, with its file and what it held")
    func damage() async throws {
        let lab = try await BackupLab(try #require(MicroCluster.current), size: "16MiB")
        var random = SeededRandom(seed: 1)
        try await lab.write([0..<(5 << 20), (9 << 20)..<(9 << 20) + 4096], &random)
        let first = try await lab.create()
        try await lab.write([(12 << 20)..<(12 << 20) + 8192], &random)
        let second = try await lab.create()
        let whole = try await lab.backup("verify \(second.id)")
        #expect(whole.status == 0, "\(whole)")
        for path in lab.files() where !path.hasSuffix("/lock") && !path.hasSuffix("/chain.json") {
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            let bit = Int.random(in: 0..<bytes.count * 8)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            try Data(bytes).write(to: URL(filePath: path))
            let found = try await lab.backup("verify")
            let key = path.dropFirst(lab.place.count + 1)
            #expect(found.status == 1 && found.output.contains(key), "bit \(bit) of \(key): \(found)")
            if key.contains("/chunks/") {
                #expect(found.output.contains("it held bytes ") && found.output.contains(lab.handle), "\(found)")
                let name = "\(lab.name)-broken"
                let restored = try await lab.backup("restore \(second.id) --name \(name) --pool \(BackupLab.poolName)")
                let first = try await lab.backup("restore \(first.id) --name \(name)-1 --pool \(BackupLab.poolName)")
                #expect(restored.status == 1 || first.status == 1, "\(restored)\(first)")
                for name in [name, "\(name)-1"] { try await lab.remove(name) }
            }
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            try Data(bytes).write(to: URL(filePath: path))
        }
        #expect(try await lab.backup("verify").status == 0)
        let chunk = try #require(lab.files("/chunks/").first)
        try FileManager.default.removeItem(atPath: chunk)
        let lost = try await lab.backup("verify")
        #expect(lost.status == 1 && lost.output.contains("it is missing; it held"), "\(lost)")
        // The next backup does not build on what is lost.
        let next = try await lab.create()
        #expect(next.kind == "full" && next.reason?.contains("are gone from") == true, "\(next)")
        #expect(try await lab.backup("verify \(next.id)").status == 0)
    }

    @Test("A snapshot that is gone makes a full backup that says so; a foreign image is refused")
    func lostSnapshot() async throws {
        let cluster = try #require(MicroCluster.current)
        let lab = try await BackupLab(cluster, size: "16MiB")
        var random = SeededRandom(seed: 2)
        try await lab.write([0..<65536], &random)
        let first = try await lab.create()
        try await cluster.execute(
            "rbd",
            "snap",
            "rm",
            "--no-progress",
            "replicapool/\(lab.image)@csi-backup-\(first.id)"
        )
        let second = try await lab.create()
        #expect(second.kind == "full" && second.reason?.contains("is gone from the image") == true, "\(second)")
        #expect(try await lab.snapshots() == ["csi-backup-\(second.id)"])
        #expect(try await lab.create().kind == "incremental")
        // Another place has a chain of its own, and takes no snapshot away.
        var other = lab
        other.place = "\(lab.directory)/other"
        try FileManager.default.createDirectory(atPath: other.place, withIntermediateDirectories: true)
        let elsewhere = try await other.create()
        #expect(elsewhere.kind == "full" && elsewhere.reason == "it is the first")
        #expect(try await lab.snapshots().count == 2)
        #expect(try await lab.create().kind == "incremental")
        // A volume goes with the snapshots of its backups, and the backups stay.
        try await lab.remove(lab.name)
        #expect(try await lab.pool.imageID(named: lab.image) == nil)
        let image = try await lab.restore(second.id, as: "\(lab.name)-r")
        #expect(try await lab.pool.imageID(named: image) != nil)
        let foreign = "f\(UInt32.random(in: 0...UInt32.max))"
        try await cluster.execute("rbd", "create", "--size", "8M", "replicapool/\(foreign)")
        let refused = try await lab.backup("create \(try cluster.clusterID)/replicapool//\(foreign)")
        #expect(refused.status == 1 && refused.notes.contains("cannot back up image"), "\(refused)")
        try await cluster.execute("rbd", "rm", "--no-progress", "replicapool/\(foreign)")
    }
}
