/// The header of a GUID partition table, at the second and at the last logical block.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | `EFI PART` |
/// | 8 | 4 | revision, 0x00010000 |
/// | 12 | 4 | size of the header, 92 to a sector |
/// | 16 | 4 | CRC32 of the header with this field zero |
/// | 24 | 8 | where this header is |
/// | 32 | 8 | where the other one is |
/// | 40 | 8 | first block that partitions may use |
/// | 48 | 8 | last block that partitions may use |
/// | 56 | 16 | GUID of the disk |
/// | 72 | 8 | where the entries begin |
/// | 80 | 4 | how many there are |
/// | 84 | 4 | how long one is |
/// | 88 | 4 | CRC32 of all entries |
///
/// UEFI 2.10 §5.3.2.
public struct GPTHeader: Sendable, Hashable {
    static let signature = "EFI PART"
    static let minimumBytes = 92

    /// How much of the sector is header, in bytes.
    public var headerBytes: UInt32 = 92
    /// What the header says its CRC is.
    public var headerCRC: UInt32 = 0
    /// Where this header says it is.
    public var myLBA: UInt64
    /// Where the other one is.
    public var alternateLBA: UInt64
    /// The first block that partitions may use.
    public var firstUsableLBA: UInt64
    /// The last block that partitions may use.
    public var lastUsableLBA: UInt64
    /// Who the disk is.
    public var diskGUID: GUID
    /// Where the entries begin.
    public var entriesLBA: UInt64
    /// How many entries there are.
    public var entryCount: UInt32 = 128
    /// How long an entry is, in bytes.
    public var entryBytes: UInt32 = 128
    /// What the header says the entries' CRC is.
    public var entriesCRC: UInt32 = 0

    init(
        myLBA: UInt64,
        alternateLBA: UInt64,
        firstUsableLBA: UInt64,
        lastUsableLBA: UInt64,
        diskGUID: GUID,
        entriesLBA: UInt64
    ) {
        self.myLBA = myLBA
        self.alternateLBA = alternateLBA
        self.firstUsableLBA = firstUsableLBA
        self.lastUsableLBA = lastUsableLBA
        self.diskGUID = diskGUID
        self.entriesLBA = entriesLBA
    }

    /// Reads a sector; `nil` unless the signature stands there.
    init?(sector: [UInt8]) {
        guard sector.holds(Self.signature, at: 0), let guid = sector.slice(56, 16).flatMap({ GUID($0) }),
            let headerBytes = sector.little(UInt32.self, at: 12), let headerCRC = sector.little(UInt32.self, at: 16),
            let myLBA = sector.little(UInt64.self, at: 24), let alternateLBA = sector.little(UInt64.self, at: 32),
            let firstUsableLBA = sector.little(UInt64.self, at: 40),
            let lastUsableLBA = sector.little(UInt64.self, at: 48),
            let entriesLBA = sector.little(UInt64.self, at: 72), let entryCount = sector.little(UInt32.self, at: 80),
            let entryBytes = sector.little(UInt32.self, at: 84), let entriesCRC = sector.little(UInt32.self, at: 88)
        else { return nil }
        self.init(
            myLBA: myLBA,
            alternateLBA: alternateLBA,
            firstUsableLBA: firstUsableLBA,
            lastUsableLBA: lastUsableLBA,
            diskGUID: guid,
            entriesLBA: entriesLBA
        )
        self.headerBytes = headerBytes
        self.headerCRC = headerCRC
        self.entryCount = entryCount
        self.entryBytes = entryBytes
        self.entriesCRC = entriesCRC
    }

    /// The correct CRC of a header's sector; `nil` if the header claims to be longer than the sector.
    static func crc(ofSector sector: [UInt8], headerBytes: UInt32) -> UInt32? {
        guard let header = sector.slice(0, Int(headerBytes)), header.count >= minimumBytes else { return nil }
        return CRC32.zlib(header.prefix(16) + [0, 0, 0, 0] + header.dropFirst(20))
    }

    /// The header as a sector of `sectorBytes`, with its CRC.
    func sector(_ sectorBytes: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: sectorBytes)
        bytes.replaceSubrange(0..<8, with: Self.signature.utf8)
        bytes.putLittle(UInt32(0x10000), at: 8)
        bytes.putLittle(UInt32(Self.minimumBytes), at: 12)
        bytes.putLittle(myLBA, at: 24)
        bytes.putLittle(alternateLBA, at: 32)
        bytes.putLittle(firstUsableLBA, at: 40)
        bytes.putLittle(lastUsableLBA, at: 48)
        bytes.replaceSubrange(56..<72, with: diskGUID.bytes)
        bytes.putLittle(entriesLBA, at: 72)
        bytes.putLittle(entryCount, at: 80)
        bytes.putLittle(entryBytes, at: 84)
        bytes.putLittle(entriesCRC, at: 88)
        bytes.putLittle(CRC32.zlib(bytes.prefix(Self.minimumBytes)), at: 16)
        return bytes
    }
}

extension [UInt8] {
    /// Writes a number in little-endian order; there must be room.
    mutating func putLittle<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
        for index in 0..<(T.bitWidth / 8) { self[offset + index] = UInt8(truncatingIfNeeded: value >> T(8 * index)) }
    }
}
