/// An AHDI partition table of Atari, which has no magic: the size of the disk and one entry must be plausible. parted
/// fills what is unused with its own name.
///
/// The kernel's parser is less strict: it finds partitions in BlueStore's data. See: util-linux
/// libblkid/src/partitions/atari.c: disk size u32 at 0x1C2, four entries of 12 bytes at 0x1C6 (flags, three letters,
/// start u32, length u32), a list of bad sectors at 0x1F6; big-endian.
extension Format {
    static let atariTable = Format("atari", .partitionTable) { device in
        let sector = device.bytes(0, 512)
        guard sector.count == 512, device.logicalSectorBytes == 512 else { return [] }
        let parted = (0..<4).map { 0x1C7 + 12 * $0 }.filter { sector.holds("PARTEDATARI", at: $0) }
            .map { Mark(UInt64($0), 11, "written by parted") }
        guard let size = sector.big(UInt32.self, at: 0x1C2), size > 1, UInt64(size) * 512 <= device.sizeBytes else {
            return parted
        }
        func isInside(_ offset: Int) -> Bool {
            let start = UInt64(sector.big(UInt32.self, at: offset) ?? 0)
            let length = UInt64(sector.big(UInt32.self, at: offset + 4) ?? 0)
            return start > 0 && length > 0 && start + length <= UInt64(size)
        }
        guard sector[0x1F6..<0x1FE].allSatisfy({ $0 == 0 }) || isInside(0x1F6) else { return parted }
        let entries = (0..<4).map { 0x1C6 + 12 * $0 }.filter { entry in
            sector[entry] & 1 == 1 && sector[(entry + 1)...(entry + 3)].allSatisfy(isLetterOrDigit)
                && isInside(entry + 4)
        }
        return entries.map { Mark(UInt64($0), 4) } + parted
    }

    /// As the kernel's `isalnum`, which takes Latin-1's letters too.
    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "a")...UInt8(ascii: "z"), 0xC0...0xD6, 0xD8...0xF6, 0xF8...0xFF: true
        default: false
        }
    }
}
