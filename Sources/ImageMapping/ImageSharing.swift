/// Who may use an image beside us.
///
/// | CSI's access mode | sharing |
/// | --- | --- |
/// | SINGLE_NODE_WRITER, SINGLE_NODE_SINGLE_WRITER, SINGLE_NODE_MULTI_WRITER | `oneNode` |
/// | MULTI_NODE_MULTI_WRITER, of a block volume | `manyNodes` |
/// | SINGLE_NODE_READER_ONLY, MULTI_NODE_READER_ONLY | `readers` |
public enum ImageSharing: String, Sendable, Hashable, Codable {
    /// Nobody else: the image's lock is held while it is mapped.
    case oneNode
    /// Other nodes, which may also write; the users must coordinate their writes.
    case manyNodes
    /// Other readers; the device refuses writes, and no lock is taken.
    case readers

    /// Whether the device refuses writes.
    public var isReadOnly: Bool { self == .readers }
}
