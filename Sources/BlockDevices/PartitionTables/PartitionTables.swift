/// The partition tables on a device or on a part of one: a GPT in either unit, an MBR.
public struct PartitionTables: Sendable, Hashable {
    /// The limit of inspected partitions: untrusted bytes could claim any number.
    private static let maximumPartitions = 512
    /// Shorter runs between partitions are not inspected: no useful content fits there.
    private static let shortestFreeRun: UInt64 = 2 << 20
    /// How many of the longest free runs are inspected.
    private static let maximumFreeRuns = 16

    /// How large the device is.
    let sizeBytes: UInt64
    /// The unit of addresses.
    let sectorBytes: UInt64
    /// A GUID partition table, in the device's own unit.
    public let gpt: GPT?
    /// A table in the other unit (512 or 4096), from a time when the disk had another controller.
    public let foreignGPT: GPT?
    /// A master boot record.
    public let mbr: MBR?

    /// A partition of a table.
    struct Partition: Sendable {
        let number: Int
        /// What a GPT says of it.
        let entry: GPTEntry?
        /// Where it lies, cut where the device ends.
        let extent: ByteExtent
    }

    /// Looks for tables.
    ///
    /// - Parameters:
    ///   - source: The device or the part of one.
    ///   - sectorBytes: The unit of addresses.
    ///   - isRecord: Whether the 55 AA of the first sector belongs to a table and not to a file system.
    init(_ source: any ByteSource, sectorBytes: UInt64, isRecord: Bool) {
        sizeBytes = source.sizeBytes
        self.sectorBytes = sectorBytes
        gpt = GPT(source, sectorBytes: sectorBytes)
        foreignGPT = GPT(source, sectorBytes: sectorBytes == 512 ? 4096 : 512)
        mbr = isRecord ? MBR(source, sectorBytes: sectorBytes) : nil
    }

    /// Whether there is none.
    var isEmpty: Bool { gpt == nil && foreignGPT == nil && mbr == nil }

    /// The partitions of the GPT, or else of the MBR.
    var partitions: [Partition] {
        if let gpt = gpt ?? foreignGPT {
            return gpt.partitions.prefix(Self.maximumPartitions).compactMap { number, entry in
                gpt.extent(of: entry).map { Partition(number: number, entry: entry, extent: $0) }
            }
        }
        return (mbr?.entries ?? []).compactMap { entry in
            let start = entry.startLBA.multipliedReportingOverflow(by: sectorBytes)
            let length = entry.sectors.multipliedReportingOverflow(by: sectorBytes)
            guard !entry.isExtended, entry.type != 0xEE, !start.overflow, !length.overflow,
                start.partialValue < sizeBytes, length.partialValue > 0
            else { return nil }
            let extent = ByteExtent(
                offset: start.partialValue,
                length: min(length.partialValue, sizeBytes - start.partialValue)
            )
            return Partition(number: entry.number, entry: nil, extent: extent)
        }
    }

    /// Every copy of a GPT in either unit, the MBR, extended boot records: what must be erased so that no reader finds
    /// a table.
    public var places: [ByteExtent] { [gpt, foreignGPT].compactMap(\.self).flatMap(\.extents) + records }

    /// The bytes that certainly belong to a table; of a damaged GPT copy, only the header.
    var ownBytes: [ByteExtent] { [gpt, foreignGPT].compactMap(\.self).flatMap(\.ownBytes) + records }

    /// The bytes that a table has or had: those of damaged copies, and what is left of wiped ones.
    var tableBytes: [ByteExtent] { places + [gpt, foreignGPT].compactMap(\.self).flatMap(\.remnants) }

    private var records: [ByteExtent] {
        guard let mbr else { return [] }
        let chain = mbr.chain.map { ByteExtent(offset: $0 * sectorBytes, length: sectorBytes) }
        return [ByteExtent(offset: 0, length: 512)] + chain
    }

    /// The space without partitions, from the first whole MiB of each run on: a deleted partition and its content may
    /// be there.
    var freeRuns: [ByteExtent] {
        guard !isEmpty else { return [] }
        let mebibyte: UInt64 = 1 << 20
        var runs: [ByteExtent] = []
        var start: UInt64 = 0
        let taken = (partitions.map(\.extent) + ownBytes).merged() + [ByteExtent(offset: sizeBytes, length: 0)]
        for extent in taken {
            let first = (start + mebibyte - 1) / mebibyte * mebibyte
            if extent.offset > first, extent.offset - first >= Self.shortestFreeRun {
                runs.append(ByteExtent(offset: first, length: extent.offset - first))
            }
            start = max(start, min(extent.end, sizeBytes))
        }
        return runs.sorted { $0.length > $1.length }.prefix(Self.maximumFreeRuns).sorted()
    }
}

extension GPT {
    /// The bytes that certainly belong to a table: each header, and entries with a valid CRC.
    var ownBytes: [ByteExtent] {
        let copies = [primary, backup, stray].compactMap(\.self).filter { $0.header != nil }
        return remnants
            + copies.flatMap { copy in
                copy.entriesProblems.isEmpty
                    ? extents(of: copy) : [ByteExtent(offset: copy.lba * sectorBytes, length: sectorBytes)]
            }
    }
}
