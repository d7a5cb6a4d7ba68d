import ArgumentParser
import Volumes

/// The file systems by their names.
enum FileSystemChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
    case ext4
    case xfs
}

/// Who may use a volume at once, in kubectl's short forms and in CSI's names.
enum AccessModeChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
    case readWriteOnce = "rwo"
    case readWriteOncePod = "rwop"
    case readOnlyMany = "rox"
    case readWriteMany = "rwx"
    case singleNodeWriter = "SINGLE_NODE_WRITER"
    case singleNodeReaderOnly = "SINGLE_NODE_READER_ONLY"
    case multiNodeReaderOnly = "MULTI_NODE_READER_ONLY"
    case multiNodeMultiWriter = "MULTI_NODE_MULTI_WRITER"
    case singleNodeSingleWriter = "SINGLE_NODE_SINGLE_WRITER"
    case singleNodeMultiWriter = "SINGLE_NODE_MULTI_WRITER"

    /// CSI: AccessMode.
    var mode: VolumeCapability.Mode {
        switch self {
        case .readWriteOnce, .singleNodeWriter: .singleNodeWriter
        case .readWriteOncePod, .singleNodeSingleWriter: .singleNodeSingleWriter
        case .readOnlyMany, .multiNodeReaderOnly: .multiNodeReaderOnly
        case .readWriteMany, .multiNodeMultiWriter: .multiNodeMultiWriter
        case .singleNodeReaderOnly: .singleNodeReaderOnly
        case .singleNodeMultiWriter: .singleNodeMultiWriter
        }
    }
}
