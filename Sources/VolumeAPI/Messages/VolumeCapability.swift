extension CSI {
    /// CSI: VolumeCapability.
    package struct VolumeCapability: Message {
        /// As a raw device; excludes `mount`.
        package var block: BlockVolume?
        /// As a mounted file system; excludes `block`.
        package var mount: MountVolume?
        /// Who may use it at once.
        package var accessMode: AccessMode?

        /// The message with every field at its default.
        package init() {}

        /// CSI: VolumeCapability.
        package static let fields: [Field<Self>] = [
            .message("block", \.block, oneof: "accessType"),
            .message("mount", \.mount, oneof: "accessType"),
            .message("accessMode", \.accessMode),
        ]
    }

    /// CSI: VolumeCapability.BlockVolume.
    package struct BlockVolume: Message {
        /// The message with every field at its default.
        package init() {}

        /// CSI: VolumeCapability.BlockVolume.
        package static let fields: [Field<Self>] = []
    }

    /// CSI: VolumeCapability.MountVolume.
    package struct MountVolume: Message {
        /// The file system; empty for our choice.
        package var fsType: String = ""
        /// Mount options.
        package var mountFlags: [String] = []
        /// The group that owns the files; Nacre does not offer it.
        package var volumeMountGroup: String = ""

        /// The message with every field at its default.
        package init() {}

        /// CSI: VolumeCapability.MountVolume.
        package static let fields: [Field<Self>] = [
            .string("fsType", \.fsType),
            .strings("mountFlags", \.mountFlags, .line, totalBytes: 4096),
            .string("volumeMountGroup", \.volumeMountGroup),
        ]
    }

    /// CSI: VolumeCapability.AccessMode.
    package struct AccessMode: Message {
        /// The mode.
        package var mode: Mode = .unknown

        /// The message with every field at its default.
        package init() {}

        /// CSI: VolumeCapability.AccessMode.
        package static let fields: [Field<Self>] = [
            .enumeration("mode", \.mode)
        ]
    }

    /// CSI: VolumeCapability.AccessMode.Mode.
    package enum Mode: String, WireEnum {
        case unknown = "UNKNOWN"
        case singleNodeWriter = "SINGLE_NODE_WRITER"
        case singleNodeReaderOnly = "SINGLE_NODE_READER_ONLY"
        case multiNodeReaderOnly = "MULTI_NODE_READER_ONLY"
        case multiNodeSingleWriter = "MULTI_NODE_SINGLE_WRITER"
        case multiNodeMultiWriter = "MULTI_NODE_MULTI_WRITER"
        case singleNodeSingleWriter = "SINGLE_NODE_SINGLE_WRITER"
        case singleNodeMultiWriter = "SINGLE_NODE_MULTI_WRITER"
    }
}
