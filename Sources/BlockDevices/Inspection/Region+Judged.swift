extension Region {
    /// The length of each end by which a part is judged, in bytes: of a device as much as is read of it anyway.
    static func edgeBytes(of kind: Kind) -> UInt64 { kind == .device ? UInt64(DiskReader.edgeBytes) : 64 << 10 }

    /// Where on the device the bytes are by which this region is judged: its ends, those of the space between its
    /// partitions, the places of BlueStore's labels, and every mark found: that of btrfs lies behind the ends of a partition.
    public var judgedPlaces: [ByteExtent] {
        let size = extents.reduce(0) { $0 + $1.length }
        let whole = ByteExtent(offset: 0, length: size)
        let ends = Self.ends(of: whole, Self.edgeBytes(of: kind))
        // They are parts of their own when a mark of the region is gone.
        let free = tables.freeRuns.flatMap { Self.ends(of: $0, Self.edgeBytes(of: .freeSpace(offset: 0, in: nil))) }
        let labels = BlueStoreLabel.positions.map { ByteExtent(offset: $0, length: BlueStoreLabel.blockBytes) }
        let marks = signatures.map { ByteExtent(offset: $0.mark.offset, length: $0.mark.length) }
        return (ends + free + labels + marks).compactMap { $0.intersection(whole) }.flatMap { extents.mapped($0) }
            .merged()
    }

    private static func ends(of extent: ByteExtent, _ length: UInt64) -> [ByteExtent] {
        let length = min(length, extent.length)
        return [
            ByteExtent(offset: extent.offset, length: length), ByteExtent(offset: extent.end - length, length: length),
        ]
    }
}
