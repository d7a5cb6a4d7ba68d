/// A master boot record: the first 512 bytes, for any sector size.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 440 | 4 | signature of the disk |
/// | 446 | 4 × 16 | partitions: status, first CHS, type, last CHS, start u32, length u32 |
/// | 510 | 2 | 55 AA |
public struct MBR: Sendable, Hashable {
    /// The limit of logical partitions: more than any kernel supports.
    static let maximumLogical = 128

    /// A partition.
    public struct Entry: Sendable, Hashable {
        /// Its number.
        public let number: Int
        /// What it is for.
        public let type: UInt8
        /// Where it begins, in sectors of the device.
        public let startLBA: UInt64
        /// How long it is, in sectors.
        public let sectors: UInt64

        /// Whether it holds logical partitions instead of data.
        public var isExtended: Bool { [0x05, 0x0F, 0x85].contains(type) }
    }

    /// The disk's signature.
    public let diskSignature: UInt32
    /// The four primary entries that are used, then the logical ones.
    public let entries: [Entry]
    /// Where extended boot records stand, in sectors.
    public let chain: [UInt64]
    /// Whether an entry of type EE protects a GPT from old tools.
    public var isProtective: Bool { entries.contains { $0.type == 0xEE } }

    /// Reads the record; `nil` unless it ends in 55 AA and its four states are 0 or 80.
    public init?(_ source: any ByteSource, sectorBytes: UInt64) {
        let sector = source.bytes(at: 0, count: 512)
        guard sector.slice(510, 2)?.elementsEqual([0x55, 0xAA]) ?? false,
            (0..<4).allSatisfy({ sector[446 + 16 * $0] & 0x7F == 0 })
        else { return nil }
        diskSignature = sector.little(UInt32.self, at: 440) ?? 0
        let primary = (0..<4).compactMap { Self.entry(sector, slot: $0, number: $0 + 1, base: 0) }
        var logical: [Entry] = []
        var chain: [UInt64] = []
        for extended in primary where extended.isExtended {
            Self.follow(extended, source, max(512, sectorBytes), &logical, &chain)
        }
        entries = primary + logical
        self.chain = chain
    }

    private static func entry(_ sector: [UInt8], slot: Int, number: Int, base: UInt64) -> Entry? {
        let offset = 446 + 16 * slot
        guard let type = sector.slice(offset + 4, 1)?.first, type != 0,
            let start = sector.little(UInt32.self, at: offset + 8),
            let length = sector.little(UInt32.self, at: offset + 12)
        else { return nil }
        return Entry(number: number, type: type, startLBA: base + UInt64(start), sectors: UInt64(length))
    }

    /// Follows extended boot records.
    ///
    /// The first entry is a partition, relative to the record; the second the next record, relative to the extended
    /// partition. Untrusted bytes may form a loop.
    private static func follow(
        _ extended: Entry,
        _ source: any ByteSource,
        _ sectorBytes: UInt64,
        _ logical: inout [Entry],
        _ chain: inout [UInt64]
    ) {
        var next = extended.startLBA
        while chain.count < maximumLogical, !chain.contains(next), next < source.sizeBytes / sectorBytes {
            let sector = source.bytes(at: next * sectorBytes, count: 512)
            guard sector.slice(510, 2)?.elementsEqual([0x55, 0xAA]) ?? false else { return }
            chain.append(next)
            if let entry = entry(sector, slot: 0, number: 5 + logical.count, base: next), !entry.isExtended {
                logical.append(entry)
            }
            guard let link = entry(sector, slot: 1, number: 0, base: extended.startLBA), link.isExtended else { return }
            next = link.startLBA
        }
    }

    /// A record that protects a GPT on a device of `blocks` sectors.
    static func protective(blocks: UInt64, sectorBytes: Int) -> [UInt8] {
        var sector = [UInt8](repeating: 0, count: sectorBytes)
        sector.replaceSubrange(446..<454, with: [0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF])
        sector.putLittle(UInt32(1), at: 454)
        sector.putLittle(UInt32(clamping: blocks - 1), at: 458)
        sector.replaceSubrange(510..<512, with: [0x55, 0xAA])
        return sector
    }
}
