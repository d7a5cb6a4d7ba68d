/// Checksums of the blocks of a device that are not zeros, so that later it can be told which of them have changed.
public struct BlockSums: Sendable, Hashable {
    /// How long a block is; it begins at a multiple of this.
    public static let blockBytes: UInt64 = 4096

    /// By where the block begins, in bytes.
    public let sums: [UInt64: UInt32]

    /// Checksums that were written down.
    public init(sums: [UInt64: UInt32] = [:]) { self.sums = sums }

    /// Reads every block that one of the places touches.
    ///
    /// - Parameters:
    ///   - source: A device.
    ///   - places: Where on it.
    public init(_ source: any ByteSource, in places: [ByteExtent]) {
        var sums: [UInt64: UInt32] = [:]
        for offset in Self.blocks(of: places) {
            let bytes = source.bytes(at: offset, count: Int(Self.blockBytes))
            if !bytes.allSatisfy({ $0 == 0 }) { sums[offset] = Self.sum(bytes) }
        }
        self.sums = sums
    }

    /// The blocks that are neither zeros nor as they were, in order; one that cannot be read in full is among them.
    ///
    /// - Parameters:
    ///   - source: The device of these checksums.
    ///   - places: Where to look.
    ///   - isExcused: Whether a block with other bytes does not count, by its offset and bytes.
    /// - Returns: Those blocks.
    public func changed(
        _ source: any ByteSource,
        in places: [ByteExtent],
        excusing isExcused: (UInt64, [UInt8]) -> Bool
    ) -> [ByteExtent] {
        Self.blocks(of: places).compactMap { offset in
            let wanted = min(Self.blockBytes, source.sizeBytes - min(offset, source.sizeBytes))
            let bytes = source.bytes(at: offset, count: Int(wanted))
            if UInt64(bytes.count) == wanted {
                if bytes.allSatisfy({ $0 == 0 }) || sums[offset] == Self.sum(bytes) { return nil }
                if isExcused(offset, bytes) { return nil }
            }
            return ByteExtent(offset: offset, length: wanted)
        }
    }

    private static func sum(_ bytes: [UInt8]) -> UInt32 { CRC32.ceph(bytes) }

    private static func blocks(of places: [ByteExtent]) -> [UInt64] {
        let whole = places.map { place in
            let start = place.offset / blockBytes * blockBytes
            return ByteExtent(offset: start, length: place.end - start)
        }
        return whole.merged().flatMap { Array(stride(from: $0.offset, to: $0.end, by: Int(blockBytes))) }.uniqued()
    }
}

extension [UInt64] {
    /// Sorted numbers, each once.
    fileprivate func uniqued() -> [UInt64] {
        reduce(into: []) { found, number in if found.last != number { found.append(number) } }
    }
}
