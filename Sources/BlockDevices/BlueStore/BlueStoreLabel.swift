/// The label of a BlueStore device, 4096 bytes.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 23 | `bluestore block device`, line feed |
/// | 23 | 37 | UUID of the OSD as text, line feed |
/// | 60 | 6 | version, compatible version, length u32 of what follows |
/// | 66 | 16 | UUID of the OSD |
/// | 82 | 8 | size of the device |
/// | 90 | 8 | time of birth: seconds, nanoseconds |
/// | 98 | 4+n | `main`, `bluefs db` or `bluefs wal` |
/// | | | a count u32, then pairs of keys and values, each 4+n |
/// | 66+length | 4 | CRC32C of all before it |
///
/// The label of the main device holds the OSD's key. It is not kept here, so that it cannot be printed. See: ceph
/// src/os/bluestore/bluestore_types.cc, `bluestore_bdev_label_t::encode`.
public struct BlueStoreLabel: Sendable, Hashable {
    /// How long a label's block is.
    public static let blockBytes: UInt64 = 4096
    static let magic = "bluestore block device"
    /// Offsets of labels since Ceph 19.2.1, as far as the device is large enough.
    public static let positions: [UInt64] = [0, 1 << 30, 10 << 30, 100 << 30, 1000 << 30]
    private static let secretKeys: Set<String> = ["osd_key"]

    /// Who the OSD is.
    public let osdUUID: String
    /// The size of the device as it was at mkfs.
    public let sizeBytes: UInt64
    /// `main`, `bluefs db` or `bluefs wal`.
    public let role: String
    /// What else the label says, its secret left out.
    public let metadata: [String: String]
    /// Whether the checksum is right.
    public let isValid: Bool

    /// Reads the label at `offset`; `nil` if the magic is not there.
    public init?(_ source: any ByteSource, at offset: UInt64) {
        let block = source.bytes(at: offset, count: Int(Self.blockBytes))
        guard block.holds(Self.magic, at: 0) else { return nil }
        osdUUID = block.text(23, 36).uuidOrEmpty
        sizeBytes = block.little(UInt64.self, at: 82) ?? 0
        var cursor = 98
        role = Self.string(block, &cursor)?.printable ?? ""
        var metadata: [String: String] = [:]
        let version = block.slice(60, 1)?.first ?? 0
        if version >= 2, let count = block.little(UInt32.self, at: cursor) {
            cursor += 4
            // A pair has at least eight bytes, so the block bounds them.
            for _ in 0..<min(count, 512) {
                guard let key = Self.string(block, &cursor)?.printable, let value = Self.string(block, &cursor) else {
                    break
                }
                if !Self.secretKeys.contains(key) { metadata[key] = value.printable }
            }
        }
        self.metadata = metadata
        let end = 66 + Int(block.little(UInt32.self, at: 62) ?? 0)
        isValid = block.slice(0, end).map { CRC32.ceph($0) == block.little(UInt32.self, at: end) } ?? false
    }

    private static func string(_ block: [UInt8], _ cursor: inout Int) -> String? {
        guard let length = block.little(UInt32.self, at: cursor), let bytes = block.slice(cursor + 4, Int(length))
        else { return nil }
        cursor += 4 + Int(length)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The cluster; db and wal devices do not know it.
    public var clusterID: String? { metadata["ceph_fsid"] }
    /// The OSD's number; db and wal devices do not know it.
    public var osdID: Int? { metadata["whoami"].flatMap { Int($0) } }
    /// Whether it has copies.
    public var hasCopies: Bool { metadata["multi"] == "yes" }
    /// How often the label was changed; only labels with copies have it.
    public var epoch: UInt64 { metadata["epoch"].flatMap { UInt64($0) } ?? 0 }

    /// Where a secret value is in a block, so that a label can be saved without it.
    static func secretRanges(in block: [UInt8]) -> [Range<Int>] {
        guard block.holds(magic, at: 0) else { return [] }
        var found: [Range<Int>] = []
        for key in secretKeys {
            let pattern = Array(key.utf8)
            for start in 0..<max(0, block.count - pattern.count) where block.holds(key, at: start) {
                let length = start + pattern.count
                let value = Int(block.little(UInt32.self, at: length) ?? 0)
                // The key's name may be the block's last bytes.
                let from = min(length + 4, block.count)
                found.append(from..<min(block.count, from + min(value, block.count)))
            }
        }
        return found.filter { !$0.isEmpty }
    }
}

extension String {
    /// The text in lower case if it has the form of a UUID, else an empty string, because it decides what is erased.
    var uuidOrEmpty: String {
        GUID(text: self) == nil ? "" : lowercased()
    }
}
