/// How large an image is, and in which pool.
public struct ImageExtent: Sendable, Hashable {
    /// Its size in bytes.
    public let sizeBytes: UInt64
    /// The pool of its data, when that is another than its header's.
    public let dataPool: String?

    /// Describes an image's size.
    public init(sizeBytes: UInt64, dataPool: String?) {
        self.sizeBytes = sizeBytes
        self.dataPool = dataPool
    }
}
