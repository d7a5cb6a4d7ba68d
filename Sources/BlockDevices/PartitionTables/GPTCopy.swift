/// One of the two copies of a GUID partition table as it was found: header and entries, and what is wrong with them.
public struct GPTCopy: Sendable, Hashable {
    /// The longest array of entries that is read.
    static let maximumEntriesBytes: UInt64 = 1 << 20

    /// The block where the header was looked for.
    public let lba: UInt64
    /// The header, if its signature stands there.
    public let header: GPTHeader?
    /// What is wrong with the header.
    public let headerProblems: [String]
    /// What is wrong with the entries.
    public let entriesProblems: [String]
    /// Entries by their index; unused ones are missing.
    public let entries: [Int: GPTEntry]

    /// Whether all that is wrong with it is that it was made for a larger disk: a clone of one.
    public let isOfLargerDisk: Bool

    /// Whether a reader would take it.
    public var isValid: Bool { header != nil && headerProblems.isEmpty && entriesProblems.isEmpty }

    /// Reads the copy whose header is at `lba`.
    init(_ source: any ByteSource, lba: UInt64, sectorBytes: UInt64) {
        self.lba = lba
        let blocks = source.sizeBytes / sectorBytes
        let sector = lba < blocks ? source.bytes(at: lba * sectorBytes, count: Int(sectorBytes)) : []
        guard let header = GPTHeader(sector: sector) else {
            (self.header, headerProblems, entriesProblems, entries) = (nil, ["there is no header"], [], [:])
            isOfLargerDisk = false
            return
        }
        self.header = header
        let problems = Self.problems(of: header, sector, at: lba)
        let isCut = header.firstUsableLBA <= header.lastUsableLBA && header.lastUsableLBA >= blocks
        headerProblems = problems + Self.problems(ofRange: header, blocks: blocks)
        let (found, wrong) = Self.entries(of: header, source, sectorBytes: sectorBytes)
        entries = found
        entriesProblems = wrong
        isOfLargerDisk = isCut && problems.isEmpty && wrong.isEmpty
    }

    private static func problems(of header: GPTHeader, _ sector: [UInt8], at lba: UInt64) -> [String] {
        var problems: [String] = []
        if GPTHeader.crc(ofSector: sector, headerBytes: header.headerBytes) != header.headerCRC {
            problems.append("its CRC is wrong")
        }
        if header.myLBA != lba { problems.append("it says that it is at block \(header.myLBA), not \(lba)") }
        return problems
    }

    private static func problems(ofRange header: GPTHeader, blocks: UInt64) -> [String] {
        guard header.firstUsableLBA > header.lastUsableLBA || header.lastUsableLBA >= blocks else { return [] }
        return ["blocks \(header.firstUsableLBA) to \(header.lastUsableLBA) are not all on the disk"]
    }

    private static func entries(
        of header: GPTHeader,
        _ source: any ByteSource,
        sectorBytes: UInt64
    ) -> ([Int: GPTEntry], [String]) {
        let total = UInt64(header.entryCount) * UInt64(header.entryBytes)
        guard header.entryBytes >= UInt32(GPTEntry.bytes), total <= maximumEntriesBytes,
            header.entriesLBA < source.sizeBytes / sectorBytes
        else { return ([:], ["\(header.entryCount) entries of \(header.entryBytes) bytes cannot be read"]) }
        let bytes = source.bytes(at: header.entriesLBA * sectorBytes, count: Int(total))
        guard bytes.count == Int(total) else { return ([:], ["the entries cannot be read"]) }
        let problems = CRC32.zlib(bytes) == header.entriesCRC ? [] : ["the entries' CRC is wrong"]
        var entries: [Int: GPTEntry] = [:]
        for index in 0..<Int(header.entryCount) {
            let start = index * Int(header.entryBytes)
            entries[index] = GPTEntry(bytes[start..<(start + GPTEntry.bytes)])
        }
        return (entries, problems)
    }
}
