internal import ExactText
internal import FoundationEssentials
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
internal import Volumes

/// What a node remembers of a volume: enough to undo, and to know a repetition from a contradiction.
///
/// It holds no secrets.
struct VolumeRecord: Codable, Sendable {
    /// A pod's path.
    struct Target: Codable, Sendable, Hashable {
        let path: String
        let isReadOnly: Bool
        let usage: Usage
        /// The volume's device when it was mounted there, `7:3`; nothing in the records of a version that did not write it.
        var device: String?

        /// The path as it was given, where links in it led elsewhere; nothing in the records of a version that did not write it.
        var given: String?
        /// The mount by its namespace and number, once it is there; nothing in the records of a version that did not write it.
        var mount: String?

        /// Whether both say the same path and use.
        func isSame(as other: Target) -> Bool {
            path.isExactly(other.path) && isReadOnly == other.isReadOnly && usage.satisfies(other.usage)
        }

        var description: String { "\(path) \(isReadOnly ? "ro" : "rw") \(usage.description)" }
    }

    /// A capability as it is written down.
    struct Usage: Codable, Sendable, Hashable {
        let isBlock: Bool
        /// Empty for a raw device, and for a file system that is not named until it was looked at what is there.
        var fileSystem: String
        let mountFlags: [String]
        let mode: Int

        init(_ capability: VolumeCapability) {
            mode = capability.mode.rawValue
            switch capability.access {
            case .block: (isBlock, fileSystem, mountFlags) = (true, "", [])
            case .mount(let mount): (isBlock, fileSystem, mountFlags) = (false, mount.fsType, mount.mountFlags)
            }
        }

        /// Whom the image may be shared with; a mode that is not known is taken for the strictest.
        var sharing: ImageSharing {
            switch VolumeCapability.Mode(rawValue: mode) {
            case .singleNodeReaderOnly, .multiNodeReaderOnly: .readers
            case .multiNodeMultiWriter: .manyNodes
            default: .oneNode
            }
        }

        /// Whether this is what `wanted` asks for: a wish that names no file system takes any.
        func satisfies(_ wanted: Usage) -> Bool {
            var wanted = wanted
            if !isBlock, !wanted.isBlock, wanted.fileSystem.isEmpty { wanted.fileSystem = fileSystem }
            return self == wanted
        }

        var isReadOnly: Bool { VolumeCapability.Mode(rawValue: mode)?.isReadOnly ?? false }

        /// Whether one pod alone may have it.
        var isForOnePod: Bool { VolumeCapability.Mode(rawValue: mode) == .singleNodeSingleWriter }

        /// The same for a person: `ext4, read-only, with the mount options noatime`.
        var words: String {
            let access =
                switch VolumeCapability.Mode(rawValue: mode) {
                case .singleNodeReaderOnly, .multiNodeReaderOnly: "read-only"
                case .multiNodeMultiWriter: "writable by many nodes"
                case .singleNodeSingleWriter: "writable by one pod"
                default: "writable"
                }
            guard !isBlock else { return "a raw device, \(access)" }
            let options = mountFlags.isEmpty ? "" : ", with the mount options \(mountFlags.joined(separator: ","))"
            return "\(fileSystem.isEmpty ? "a file system" : fileSystem), \(access)\(options)"
        }

        var description: String {
            let name = VolumeCapability.Mode(rawValue: mode)?.name ?? "\(mode)"
            let fileSystem = fileSystem.isEmpty ? "any file system" : fileSystem
            return isBlock ? "block, \(name)" : "\(fileSystem), \(name), flags \(mountFlags)"
        }
    }

    var version = 1
    let volumeID: String
    let stagingPath: String
    var usage: Usage
    /// The staging path had the volume once.
    var isStaged = false
    var targets: [Target] = []
    /// The volume's device, `7:3`: what is mounted at the staging path is the volume's when it has it.
    var device: String?
    /// Whether a block volume was staged to be repaired, whatever it was made for; nothing in the records of a version that
    /// did not write it.
    var isForRepair: Bool?
    /// The boot in which it was written; nothing in the records of a version that did not write it.
    var bootID: String?

    /// The image as Ceph's tools write it.
    var imageSpec: String { (try? VolumeID(parsing: volumeID))?.imageSpec ?? volumeID.printable }
    /// Where the device of a block volume shows up.
    var stagedDevice: String { Self.stagedDevice(at: stagingPath) }
    /// The same of a staging path.
    static func stagedDevice(at stagingPath: String) -> String { "\(stagingPath)/device" }
    /// Where the volume is mounted.
    var stagedMount: String { usage.isBlock ? stagedDevice : stagingPath }
}

/// The records, one small file each.
struct VolumeRecords: Sendable {
    let directory: String

    /// The record of a volume; a file that cannot be read is an error, not an absence.
    func record(of volumeID: String) throws(KernelError) -> VolumeRecord? {
        let path = path(of: volumeID)
        guard try FileKind.of(path) != nil else { return nil }
        guard var record = try? JSONDecoder().decode(VolumeRecord.self, from: Data(KernelFile.bytes(path))) else {
            throw KernelError("decode", .illegalByteSequence, path)
        }
        if record.bootID != Self.bootID {
            // A device's number is another device's after a boot.
            record.device = nil
            for index in record.targets.indices {
                record.targets[index].device = nil
                record.targets[index].mount = nil
            }
        }
        return record
    }

    /// The present boot.
    static var bootID: String? { KernelFile.firstLine("/proc/sys/kernel/random/boot_id") }

    func save(_ record: VolumeRecord) throws(KernelError) {
        try KernelFile.makeDirectories(directory)
        var record = record
        record.bootID = Self.bootID
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(record) else {
            throw KernelError("encode", .invalidArgument, record.volumeID)
        }
        try KernelFile.replace(path(of: record.volumeID), with: Array(data))
    }

    /// All that can be read, in the order of their files' names; a file that cannot be read is left to who asks for it.
    func all() throws(KernelError) -> [VolumeRecord] {
        guard try FileKind.of(directory) != nil else { return [] }
        return try KernelFile.names(in: directory).filter { $0.endsExactly(with: ".json") }.compactMap { name in
            guard let bytes = try? KernelFile.bytes("\(directory)/\(name)") else { return nil }
            return try? JSONDecoder().decode(VolumeRecord.self, from: Data(bytes))
        }
    }

    func remove(_ volumeID: String) throws(KernelError) {
        guard try FileKind.of(directory) != nil else { return }
        try KernelFile.remove(path(of: volumeID) + ".new")
        try KernelFile.remove(path(of: volumeID))
    }

    private func path(of volumeID: String) -> String { "\(directory)/\(ImageAddress.fileName(of: volumeID)).json" }
}
