public import LinuxKernel

/// The first 64 KiB of a device, where the super blocks are.
///
/// One read serves all looks until something writes to the device.
public struct DeviceHead: Sendable {
    private static let length = 64 << 10

    /// How large the device is.
    let sizeBytes: UInt64
    private let bytes: [UInt8]

    /// Reads it, past the page cache.
    ///
    /// - Parameter path: A block device, or a file in tests.
    /// - Throws: `KernelError` when it cannot be read.
    public init(of path: String) throws(KernelError) {
        let descriptor = try ContentProbe.openUncached(path)
        sizeBytes = try descriptor.endOffset()
        let buffer = AlignedBuffer(count: Self.length)
        let count = try descriptor.readBlocks(into: buffer, count: Int(min(sizeBytes, UInt64(Self.length))), at: 0)
        bytes = buffer.copy(0..<count)
    }

    /// The device; behind the head it seems to be zeros.
    public var source: MemorySource { MemorySource(sizeBytes: sizeBytes, parts: [(0, bytes)]) }

    /// Bytes that are in the head as a whole; `nil` for others.
    func bytes(at offset: UInt64, count: Int) -> [UInt8]? {
        guard count <= bytes.count, offset <= UInt64(bytes.count - count) else { return nil }
        return Array(bytes[Int(offset)..<Int(offset) + count])
    }
}
