internal import ExactText

/// The header of an encrypted device.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 6 | `LUKS` BA BE |
/// | 6 | 2 | version |
/// | 0x18 | 48 | label (2); in version 1 the cipher |
/// | 0x68 | 4 | where the data begins, in sectors (1) |
/// | 0xA8 | 40 | UUID |
/// | 0xD0 | 8 × 48 | key slots, each beginning with whether it is in use (1) |
/// | 0xD0 | 48 | subsystem (2) |
/// | 0x100 | 8 | where this header is (2) |
///
/// Big-endian. See: LUKS2 On-Disk Format Specification 1.1.
public struct LUKSHeader: Sendable, Hashable {
    /// 1 or 2.
    public let version: Int
    /// Who it is.
    public let uuid: String
    /// Rook writes `pvc_name=…` here.
    public let label: String
    /// Rook writes `ceph_fsid=…` here.
    public let subsystem: String
    /// Where the encrypted data begins, in bytes; 0 if it is on another device or not known.
    public let dataOffset: UInt64
    /// Headers and key slots, which must be erased so that no passphrase opens the device again.
    public let keyArea: ByteExtent

    /// Whether any key slot is in use; without one no passphrase opens the device.
    public let hasKeySlot: Bool

    /// Reads the primary header, or the second one of version 2 if the first was wiped.
    public init?(_ source: any ByteSource) {
        let copies = [(UInt64(0), "LUKS")] + Self.secondaryOffsets.map { ($0, "SKUL") }
        let found = copies.lazy.compactMap { place, name -> (place: UInt64, bytes: [UInt8])? in
            let header = source.bytes(at: place, count: 512)
            guard header.count == 512, header.holds(name, at: 0), header[4] == 0xBA, header[5] == 0xBE else {
                return nil
            }
            return place == 0 || header.big(UInt64.self, at: 0x100) == place ? (place, header) : nil
        }.first
        guard let found, case let header = found.bytes, let version = header.big(UInt16.self, at: 6),
            (1...2).contains(version)
        else {
            return nil
        }
        self.version = Int(version)
        uuid = header.text(0xA8, 40)
        label = version == 2 ? header.text(0x18, 48) : ""
        subsystem = version == 2 ? header.text(0xD0, 48) : ""
        let metadata = version == 1 ? [] : source.bytes(at: found.place + 4096, count: 12288)
        dataOffset =
            version == 1 ? UInt64(header.big(UInt32.self, at: 0x68) ?? 0) * 512 : Self.segmentOffset(metadata)
        hasKeySlot =
            version == 1
            ? (0..<Self.slots).contains {
                source.bytes(at: 0xD0 + UInt64($0 * Self.slotBytes), count: 4).big(UInt32.self, at: 0) == Self.slotInUse
            } : Self.hasKeySlot(metadata)
        let payload = version == 1 ? UInt64(header.big(UInt32.self, at: 0x68) ?? 0) * 512 : 16 << 20
        keyArea = ByteExtent(offset: 0, length: min(source.sizeBytes, max(payload, 2 << 20)))
    }

    /// The offset of the first segment in the JSON metadata of version 2, where the number is a string.
    private static func segmentOffset(_ metadata: [UInt8]) -> UInt64 {
        let text = String(decoding: metadata.prefix { $0 != 0 }, as: UTF8.self)
        guard let segments = text.firstRange(of: #""segments""#),
            let name = text[segments.upperBound...].firstRange(of: #""offset""#)
        else { return 0 }
        let number = text[name.upperBound...].drop { !$0.isNumber }.prefix { $0.isNumber }
        return UInt64(number) ?? 0
    }

    /// Whether `keyslots` in the JSON metadata of version 2 has a member; true where that cannot be read.
    private static func hasKeySlot(_ metadata: [UInt8]) -> Bool {
        let text = String(decoding: metadata.prefix { $0 != 0 }, as: UTF8.self)
        guard let slots = text.firstRange(of: #""keyslots""#) else { return true }
        return text[slots.upperBound...].drop { $0 == ":" || $0.isWhitespace || $0 == "{" }.first != "}"
    }

    private static let slots = 8
    private static let slotBytes = 48
    private static let slotInUse: UInt32 = 0x00AC_71F3

    static let secondaryOffsets: [UInt64] = (14...22).map { 1 << $0 }

    /// The cluster that Rook noted, once an OSD was made on it.
    public var clusterID: String? {
        let prefix = "ceph_fsid="
        return subsystem.startsExactly(with: prefix) ? String(subsystem.dropFirst(prefix.count)) : nil
    }
}
