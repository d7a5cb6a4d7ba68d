/// How a volume will be used: as a file system or a raw device, and by whom.
///
/// CSI: VolumeCapability.
public struct VolumeCapability: Sendable, Hashable {
    /// What the pod sees.
    public enum Access: Sendable, Hashable {
        /// A raw block device.
        case block
        /// A mounted file system.
        case mount(MountAccess)
    }

    /// Who may use it at once.
    ///
    /// CSI: AccessMode, with its numbers.
    public enum Mode: Int, Sendable, Hashable, CaseIterable {
        /// SINGLE_NODE_WRITER.
        case singleNodeWriter = 1
        /// SINGLE_NODE_READER_ONLY.
        case singleNodeReaderOnly = 2
        /// MULTI_NODE_READER_ONLY.
        case multiNodeReaderOnly = 3
        /// MULTI_NODE_SINGLE_WRITER.
        case multiNodeSingleWriter = 4
        /// MULTI_NODE_MULTI_WRITER.
        case multiNodeMultiWriter = 5
        /// SINGLE_NODE_SINGLE_WRITER.
        case singleNodeSingleWriter = 6
        /// SINGLE_NODE_MULTI_WRITER.
        case singleNodeMultiWriter = 7

        /// Whether nobody may write.
        public var isReadOnly: Bool { self == .singleNodeReaderOnly || self == .multiNodeReaderOnly }

        /// Whether more than one node may have it at once.
        public var isMultiNode: Bool {
            self == .multiNodeReaderOnly || self == .multiNodeSingleWriter || self == .multiNodeMultiWriter
        }

        /// CSI's name: `SINGLE_NODE_WRITER`.
        public var name: String {
            switch self {
            case .singleNodeWriter: "SINGLE_NODE_WRITER"
            case .singleNodeReaderOnly: "SINGLE_NODE_READER_ONLY"
            case .multiNodeReaderOnly: "MULTI_NODE_READER_ONLY"
            case .multiNodeSingleWriter: "MULTI_NODE_SINGLE_WRITER"
            case .multiNodeMultiWriter: "MULTI_NODE_MULTI_WRITER"
            case .singleNodeSingleWriter: "SINGLE_NODE_SINGLE_WRITER"
            case .singleNodeMultiWriter: "SINGLE_NODE_MULTI_WRITER"
            }
        }
    }

    /// What the pod sees.
    public let access: Access

    /// Who may use it at once.
    public let mode: Mode

    /// Makes a capability.
    public init(_ access: Access, mode: Mode) {
        self.access = access
        self.mode = mode
    }
}

/// A file system and how it is mounted.
///
/// CSI: MountVolume.
public struct MountAccess: Sendable, Hashable {
    /// `ext4`, `xfs`, or empty for the default, `ext4`.
    public let fsType: String
    /// Mount options such as `noatime`.
    public let mountFlags: [String]

    /// Names a file system and its mount options.
    public init(fsType: String = "", mountFlags: [String] = []) {
        self.fsType = fsType
        self.mountFlags = mountFlags
    }

    /// The file system to make and mount.
    public var fileSystem: String { fsType.isEmpty ? "ext4" : fsType }
}

extension VolumeCapability {
    /// The mark of a raw device, in place of a file system's name.
    public static let blockMark = "block"

    /// What is recorded on an image that is made for this use: `ext4`, `xfs`, `block`; `nil` if none was named.
    public var fileSystemMark: String? {
        switch access {
        case .block: Self.blockMark
        case .mount(let mount): mount.fsType.isEmpty ? nil : mount.fsType
        }
    }

    /// The file systems that we make and grow.
    public static let fileSystems = ["ext4", "xfs"]

    /// Why an RBD volume cannot be used in this way, or `nil` if it can.
    ///
    /// CSI: ValidateVolumeCapabilities; a file system has one writing node at most.
    public var refusal: String? {
        guard mode != .multiNodeSingleWriter else {
            return "access mode MULTI_NODE_SINGLE_WRITER is not supported"
        }
        switch access {
        case .block:
            return nil
        case .mount(let mount):
            guard mode != .multiNodeMultiWriter else {
                return "access mode MULTI_NODE_MULTI_WRITER is not supported on a file system: "
                    + "two nodes that mount one \(mount.fileSystem) destroy it; use a Block volume or a shared file system"
            }
            guard Self.fileSystems.contains(mount.fileSystem) else {
                return "file system '\(mount.fsType.printable)' is not supported; use ext4 or xfs"
            }
            return nil
        }
    }

    /// Why a volume cannot be mounted with these options, or `nil` if it can.
    ///
    /// - Parameters:
    ///   - fileSystem: The class's file system, where the capability names none.
    ///   - isMade: Whether the volume exists already; see `MountFlags`.
    /// - Returns: What is wrong, and what to do.
    func mountRefusal(_ fileSystem: String?, isMade: Bool) -> String? {
        guard case .mount(let mount) = access else { return nil }
        let name = mount.fsType.isEmpty ? fileSystem ?? (isMade ? "" : mount.fileSystem) : mount.fsType
        return MountFlags.refusal(of: mount.mountFlags, on: name, isMade: isMade)
    }
}
