/// A partition of a GUID partition table.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 16 | type; all zero: not used |
/// | 16 | 16 | GUID of the partition |
/// | 32 | 8 | first block |
/// | 40 | 8 | last block, inclusive |
/// | 48 | 8 | attributes |
/// | 56 | 72 | name, UTF-16 |
///
/// UEFI 2.10 §5.3.3.
public struct GPTEntry: Sendable, Hashable {
    static let bytes = 128
    /// How many UTF-16 units a name can have.
    public static let nameUnits = 36

    /// What it is for.
    public var type: GUID
    /// Who it is: PARTUUID.
    public var unique: GUID
    /// Its first block.
    public var firstLBA: UInt64
    /// Its last block.
    public var lastLBA: UInt64
    /// Bits of UEFI and of the type.
    public var attributes: UInt64 = 0
    /// PARTLABEL.
    public var name: String

    /// A partition.
    public init(type: GUID, unique: GUID, firstLBA: UInt64, lastLBA: UInt64, name: String = "") {
        self.type = type
        self.unique = unique
        self.firstLBA = firstLBA
        self.lastLBA = lastLBA
        self.name = name
    }

    /// Reads an entry; `nil` if it is not used.
    init?(_ bytes: some RandomAccessCollection<UInt8>) {
        let bytes = Array(bytes)
        guard let type = bytes.slice(0, 16).flatMap({ GUID($0) }), type != .zero,
            let unique = bytes.slice(16, 16).flatMap({ GUID($0) }),
            let firstLBA = bytes.little(UInt64.self, at: 32), let lastLBA = bytes.little(UInt64.self, at: 40),
            let attributes = bytes.little(UInt64.self, at: 48)
        else { return nil }
        let units = (0..<Self.nameUnits).compactMap { bytes.little(UInt16.self, at: 56 + 2 * $0) }.prefix { $0 != 0 }
        let name = String(decoding: units, as: UTF16.self).printable
        self.init(type: type, unique: unique, firstLBA: firstLBA, lastLBA: lastLBA, name: name)
        self.attributes = attributes
    }

    /// The entry on disk.
    var encoded: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.bytes)
        bytes.replaceSubrange(0..<16, with: type.bytes)
        bytes.replaceSubrange(16..<32, with: unique.bytes)
        bytes.putLittle(firstLBA, at: 32)
        bytes.putLittle(lastLBA, at: 40)
        bytes.putLittle(attributes, at: 48)
        for (index, unit) in name.utf16.prefix(Self.nameUnits).enumerated() {
            bytes.putLittle(unit, at: 56 + 2 * index)
        }
        return bytes
    }
}
