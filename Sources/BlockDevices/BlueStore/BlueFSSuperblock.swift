/// The super block of BlueFS, at 4096 of the device that holds the database.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 6 | version, compatible version, length u32 of what follows |
/// | 6 | 16 | UUID of BlueFS |
/// | 22 | 16 | UUID of the OSD |
/// | 38 | 8 | sequence |
/// | 46 | 4 | block size |
/// | 6+length | 4 | CRC32C of all before it |
///
/// It has no magic: the version, the length and the checksum must be valid. See: ceph src/os/bluestore/bluefs_types.cc,
/// `bluefs_super_t::encode`.
public struct BlueFSSuperblock: Sendable, Hashable {
    /// Where it stands, in bytes.
    public static let offset: UInt64 = 4096
    /// Who the OSD is.
    public let osdUUID: String

    /// Reads the super block; `nil` unless its checksum is right.
    public init?(_ source: any ByteSource) {
        let block = source.bytes(at: Self.offset, count: 4096)
        guard let length = block.little(UInt32.self, at: 2), (40...4000).contains(length),
            let version = block.first, (1...8).contains(version), block[1] >= 1, block[1] <= version
        else { return nil }
        let end = 6 + Int(length)
        guard let covered = block.slice(0, end), CRC32.ceph(covered) == block.little(UInt32.self, at: end),
            let uuid = block.slice(22, 16)
        else { return nil }
        let digits = uuid.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        osdUUID = [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { digits[$0].joined() }.joined(separator: "-")
    }
}
