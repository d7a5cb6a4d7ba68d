import Blocking
import CephVolumes
import Foundation
import Glibc
import RADOS
import RBD
import TestSupport
import Testing

/// A volume of one test's own, a directory for its backups, and the program.
struct BackupLab: Sendable {
    let cluster: MicroCluster
    var nacre: NacreCommand
    let directory: String
    /// Where backups go, as words of a command: `/tmp/…`.
    var place: String
    /// More words for the place, such as an S3 endpoint.
    var placeWords: [String] = []
    let name: String
    let handle: String
    let pool: IOContext
    private let parameters: String
    private let process: NacreProcess
    private let threads = BlockingPool(threads: 2)

    static let poolName = "replicapool"

    /// The volume's image.
    var image: String { String(handle.split(separator: "/").last ?? "") }

    /// Makes the volume.
    ///
    /// - Parameters:
    ///   - cluster: Where.
    ///   - size: Such as `32MiB`.
    ///   - parameters: More words of the create and of restores.
    /// - Throws: If anything fails.
    init(_ cluster: MicroCluster, size: String, parameters: String = "") async throws {
        self.cluster = cluster
        self.parameters = parameters
        process = try NacreProcess(cluster)
        nacre = NacreCommand(process, cluster: cluster)
        directory = process.directory
        place = "\(directory)/backups"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        name = "b\(UInt32.random(in: 0...UInt32.max))"
        let made = try await nacre(
            "volume create \(name) --pool \(Self.poolName) --size \(size) --block --direct --quiet \(parameters)"
        )
        #expect(made.status == 0, "\(made)")
        handle = made.output.filter { !$0.isWhitespace }
        pool = try PoolCensus(cluster, pool: Self.poolName).pool
    }

    /// Runs a command with the place of the backups behind it.
    func backup(_ words: String) async throws -> NacreCommand.Outcome {
        try await nacre(self.words(words))
    }

    /// Its words.
    func words(_ line: String) -> [String] {
        let words = line.split(separator: " ").map(String.init)
        return ["backup"] + words + [words.first == "create" ? "--to" : "--from", place] + placeWords
    }

    /// Makes a backup, and returns its report.
    func create() async throws -> Report {
        let outcome = try await backup("create \(handle) --output json")
        #expect(outcome.status == 0, "\(outcome)")
        return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
    }

    struct Report: Decodable {
        var id: String
        var kind: String
        var reason: String?
        var parent: String?
        var sizeBytes: UInt64
        var changedBytes: UInt64
        var readBytes: UInt64
        var addedBytes: UInt64
        var dataBytes: UInt64
        var storedBytes: UInt64
    }

    /// Restores a backup into a new volume, and returns its image.
    func restore(_ backup: String, as name: String) async throws -> String {
        let words = "--name \(name) --pool \(Self.poolName) --quiet \(parameters)"
        let outcome = try await self.backup("restore \(backup) \(words)")
        #expect(outcome.status == 0, "\(outcome)")
        return String(outcome.output.filter { !$0.isWhitespace }.split(separator: "/").last ?? "")
    }

    /// Finishes a restore that was killed, maybe when it was done and nothing is restored over it; returns its image.
    ///
    /// Ceph believes for half a minute that who was killed writes still.
    func finishRestore(_ backup: String, as name: String) async throws -> String {
        let line = "restore \(backup) --name \(name) --pool \(Self.poolName) --quiet \(parameters)"
        let end = ContinuousClock.now + .seconds(120)
        var outcome = try await self.backup(line)
        while outcome.status == 75, outcome.notes.contains("is written to by another client"), .now < end {
            try await Task.sleep(for: .seconds(1))
            outcome = try await self.backup(line)
        }
        let isDone = outcome.status == 73 && outcome.notes.contains("holds data already")
        #expect(outcome.status == 0 || isDone, "\(outcome)")
        let shown = try await nacre("volume show \(name) --direct --output json")
        let found = try #require(shown.output.firstRange(of: "csi-vol-"), "\(shown)")
        return String(shown.output[found.lowerBound...].prefix { $0.isLetter || $0.isNumber || $0 == "-" })
    }

    /// What `rbd export` makes of an image, or of a snapshot of it, as a checksum.
    func sum(_ image: String) async throws -> String {
        let text = try await cluster.execute(
            "bash",
            "-eo",
            "pipefail",
            "-c",
            "rbd export --no-progress \(Self.poolName)/\(image) - | sha256sum"
        )
        return text.split(separator: " ").first.map(String.init) ?? ""
    }

    /// Removes a volume, as soon as Ceph has forgotten the clients that were killed.
    func remove(_ name: String) async throws {
        let end = ContinuousClock.now + .seconds(90)
        while true {
            let outcome = try await nacre("volume delete \(name) --direct --yes")
            if outcome.status == 0 { return }
            try #require(outcome.notes.contains("has it open") && .now < end, "\(outcome)")
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Writes to the volume, on a thread that may block.
    func write(_ body: @escaping @Sendable (Image) throws(RBDError) -> Void) async throws {
        let (image, pool) = (image, pool)
        try await threads.run { () throws(RBDError) in
            let open = try Image.open(image, in: pool, access: .readWrite)
            defer { open.close() }
            try body(open)
            try open.flush()
        }
    }

    /// Writes random bytes to places of the volume.
    func write(_ ranges: [Range<UInt64>], _ random: inout SeededRandom) async throws {
        for range in ranges {
            let words = (0..<(range.count + 7) / 8).map { _ in random.next() }
            let bytes = words.withUnsafeBytes { Array($0.prefix(range.count)) }
            try await write { (image) throws(RBDError) in
                try image.write(bytes[...], at: range.lowerBound)
            }
        }
    }

    /// The names of the image's snapshots.
    func snapshots() async throws -> [String] {
        guard let id = try await pool.imageID(named: image) else { return [] }
        return (try await pool.snapshots(ofImageID: id) ?? []).map(\.name)
    }

    /// How many chunks are whole.
    var chunks: Int { files("/chunks/").count { !$0.contains("/.new-") } }

    /// The keys of the records of backups on the image.
    func records() async throws -> [String] {
        guard let id = try await pool.imageID(named: image) else { return [] }
        return (try await pool.metadata(ofImageID: id, prefix: "nacre.backup/") ?? [:]).keys.sorted()
    }

    /// All files below the place, by their paths.
    func files(_ part: String = "") -> [String] {
        (FileManager.default.enumerator(atPath: place)?.compactMap { $0 as? String } ?? [])
            .filter { $0.contains(part) }
            .map { "\(place)/\($0)" }
            .filter { path in
                var isDirectory: ObjCBool = false
                return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
            }
            .sorted()
    }

    /// Starts a command, and kills it after a time, or as soon as something is so.
    ///
    /// - Returns: Whether it was killed, and had not ended before.
    func killed(_ line: String, after delay: Duration, or isTime: () -> Bool = { false }) async throws -> Bool {
        let process = try ChildProcess(
            NacreProcess.program,
            words(line),
            environment: nacre.environment,
            log: "\(directory)/killed.log"
        )
        let end = ContinuousClock.now + delay
        while .now < end, process.isRunning, !isTime() { try await Task.sleep(for: .milliseconds(2)) }
        process.send(SIGKILL)
        return try await process.end() == .killed(SIGKILL)
    }

    /// Bytes that the cluster's OSDs have given to clients since they were started.
    func servedBytes(osds: Int) async throws -> UInt64 {
        var bytes: UInt64 = 0
        for osd in 0..<osds {
            let text = try await cluster.execute("ceph", "tell", "osd.\(osd)", "perf", "dump", "osd")
            let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: [String: Any]]
            bytes += (object?["osd"]?["op_r_out_bytes"] as? NSNumber)?.uint64Value ?? 0
        }
        return bytes
    }
}
