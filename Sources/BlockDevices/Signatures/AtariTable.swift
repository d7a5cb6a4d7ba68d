/// An AHDI partition table of Atari, which has no magic: all of its entries must be plausible.
///
/// The kernel's parser is less strict: it finds partitions in BlueStore's data. See: util-linux
/// libblkid/src/partitions/atari.c: disk size u32 at 0x1C2, four entries of 12 bytes at 0x1C6 (flags, three letters,
/// start u32, length u32); big-endian.
extension Format {
    static let atariTable = Format("atari", .partitionTable) { device in
        let sector = device.bytes(0, 512)
        guard sector.count == 512, let size = sector.big(UInt32.self, at: 0x1C2), size > 1,
            UInt64(size) * 512 <= device.sizeBytes
        else { return [] }
        let entries = (0..<4).map { 0x1C6 + 12 * $0 }
        let active = entries.filter { sector[$0] & 1 == 1 }
        let isSane = active.allSatisfy { entry in
            let name = sector[(entry + 1)...(entry + 3)]
            let start = UInt64(sector.big(UInt32.self, at: entry + 4) ?? 0)
            let length = UInt64(sector.big(UInt32.self, at: entry + 8) ?? 0)
            return name.allSatisfy { isLetterOrDigit($0) } && start > 0 && length > 0 && start + length <= UInt64(size)
        }
        return !active.isEmpty && isSane ? [Mark(0x1C6, 48)] : []
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        default: false
        }
    }
}
