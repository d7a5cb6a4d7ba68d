import Blocking
import FoundationEssentials
import JSON
import LinuxKernel
import RBD
import Timestamps
import Volumes
import YAML

/// A result for JSON and YAML; its keys are CSI's if CSI has them, and are stable.
struct VolumeReport: Encodable, Equatable {
    /// CSI: VolumeCondition.
    struct Condition: Encodable, Equatable {
        let abnormal: Bool
        let message: String
    }

    /// Who uses a volume, and where it is on this machine.
    struct User: Encodable, Equatable {
        /// A node's name, or a client's address.
        let node: String
        var path: String?
        /// Whether there is a device and no file system.
        var isDevice = false

        private enum CodingKeys: CodingKey { case node, path }

        /// `worker-1`, `worker-1:/mnt/data`.
        var text: String { path.map { "\(node):\($0)" } ?? node }
        /// The same for a table: a device's path, which has the whole handle in it, is `worker-1:device`.
        var shortText: String { isDevice ? "\(node):device" : text }
    }

    /// The file system of a volume that is mounted on this machine.
    struct FileSystem: Encodable, Equatable {
        let path: String
        let totalBytes: UInt64
        let usedBytes: UInt64
        let availableBytes: UInt64
    }

    let volumeId: String
    /// The name that it was created with.
    var name: String?
    let clusterID: String
    let pool: String
    let namespace: String
    let image: String
    let capacityBytes: UInt64
    /// `ext4`, `xfs` or `block`, if it was requested.
    var fileSystem: String?
    /// The claim that it was made for, `namespace/name`.
    var claim: String?
    /// When it was made: `2026-11-21T08:09:47Z`.
    var created: String?
    var usedBy: [User]
    var mounted: FileSystem?
    /// The handle of the snapshot or the volume that it was made from.
    var source: String?
    var volumeContext: [String: String]?
    var volumeCondition: Condition?

    init(_ volume: Volume, condition: VolumeCondition? = nil, use: LocalUse? = nil) {
        volumeId = "\(volume.id)"
        name = volume.facts.name
        clusterID = volume.id.clusterID
        pool = volume.id.pool
        namespace = volume.id.namespace
        image = volume.id.image
        capacityBytes = volume.capacityBytes
        fileSystem = volume.facts.fileSystem
        claim = volume.facts.claim
        created = volume.facts.createdAt.map { Timestamp.text(.seconds($0)) }
        age = Age(of: volume.facts.createdAt)
        usedBy = Self.users(volume.facts.users, use)
        source = volume.source?.handle
        volumeContext = volume.context.isEmpty ? nil : volume.context
        volumeCondition = condition.map { Condition(abnormal: $0.isAbnormal, message: $0.message) }
    }

    /// How long ago it was made.
    let age: Age

    private enum CodingKeys: CodingKey {
        case volumeId, name, clusterID, pool, namespace, image, capacityBytes, fileSystem, claim, created, usedBy
        case mounted, source, volumeContext, volumeCondition
    }

    /// The nodes are read from Ceph; the path is known for `nacre volume map` and `mount` on this machine.
    private static func users(_ nodes: [String], _ use: LocalUse?) -> [User] {
        var users = nodes.map { User(node: $0) }
        // Ceph tells who has the image; a use that it does not know has ended, or is of an image that had the name before.
        guard let use, !users.isEmpty else { return users }
        let own = ThisMachine.name
        if let index = users.firstIndex(where: { $0.node == own }) ?? (users.count == 1 ? 0 : nil) {
            users[index].path = use.path
            users[index].isDevice = use.kind == .device
        } else {
            users.append(User(node: own, path: use.path, isDevice: use.kind == .device))
        }
        return users
    }
}

/// What expand says.
struct ExpansionReport: Encodable {
    let volumeId: String
    let capacityBytes: UInt64
    let nodeExpansionRequired: Bool
}

/// What delete says.
struct DeletionReport: Encodable {
    let volumeId: String
    let deleted: Bool
}

/// What map, mount and their opposites say.
struct UseReport: Encodable {
    let volumeId: String
    let path: String
    /// `device` or `mount`.
    let kind: String
    let inUse: Bool
}

extension OutputFormat {
    /// The value in this format; `nil` for tables, which each command formats itself.
    func text(_ value: some Encodable) throws -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        switch self {
        case .table, .wide: return nil
        case .json: return String(decoding: try encoder.encode(value), as: UTF8.self)
        case .yaml: return String(try JSONValue(parsing: Array(encoder.encode(value))).yaml.dropLast())
        }
    }
}

extension VolumeReport.FileSystem {
    /// Asks the kernel, for no longer than until a deadline: a device whose server is stopped does not answer.
    init(at path: String, until deadline: ContinuousClock.Instant) async throws {
        let usage = try await answered(by: deadline) {
            try await BlockingPool(threads: 1).run { () throws(KernelError) in try FileSystemUsage(of: path) }
        }
        self.init(
            path: path,
            totalBytes: usage.totalBytes,
            usedBytes: usage.totalBytes - usage.freeBytes,
            availableBytes: usage.availableBytes
        )
    }
}
