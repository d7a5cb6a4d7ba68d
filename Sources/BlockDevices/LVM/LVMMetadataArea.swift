/// A ring buffer of texts that describe a volume group, with a header of 512 bytes.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | CRC of bytes 4 to 511 |
/// | 4 | 16 | ` LVM2 x[5A%r0N*>` |
/// | 20 | 4 | version, 1 |
/// | 24 | 8 | where the area begins |
/// | 32 | 8 | its size |
/// | 40 | 4 × 24 | texts: offset in the area u64, length u64, CRC u32, flags u32 |
public struct LVMMetadataArea: Sendable, Hashable {
    static let magic = " LVM2 x[5A%r0N*>"
    /// Longer texts are not read: 16 MiB describe some ten thousand volumes.
    private static let maximumTextBytes: UInt64 = 16 << 20

    /// Whether the header's checksum is right.
    public let isValid: Bool
    /// What the text describes; `nil` if it is incomplete.
    public let group: LVMVolumeGroup?

    /// Reads the area; `nil` if its magic is not there.
    init?(_ source: any ByteSource, _ area: ByteExtent) {
        let header = source.bytes(at: area.offset, count: 512)
        guard header.count == 512, header.holds(Self.magic, at: 4) else { return nil }
        isValid = CRC32.lvm(header.dropFirst(4)) == header.little(UInt32.self, at: 0)
        group = Self.text(source, area, header).flatMap { LVMVolumeGroup(text: $0) }
    }

    private static func text(_ source: any ByteSource, _ area: ByteExtent, _ header: [UInt8]) -> [UInt8]? {
        guard let offset = header.little(UInt64.self, at: 40), let length = header.little(UInt64.self, at: 48),
            let crc = header.little(UInt32.self, at: 56), offset >= 512, offset < area.length, length > 0,
            length <= min(maximumTextBytes, area.length - 512)
        else { return nil }
        // The ring goes on behind the header.
        let first = min(length, area.length - offset)
        var text = source.bytes(at: area.offset + offset, count: Int(first))
        if first < length { text += source.bytes(at: area.offset + 512, count: Int(length - first)) }
        return text.count == Int(length) && CRC32.lvm(text) == crc ? text : nil
    }
}
