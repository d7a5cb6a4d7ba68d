/// A disk label of SGI, whose words have the sum 0.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let sgiTable = Format("sgi", .partitionTable, Magic([0x0B, 0xE5, 0xA9, 0x41], at: 0)) { device in
        let sector = device.bytes(0, 512)
        return (0..<128).reduce(UInt32(0)) { $0 &+ (sector.big(UInt32.self, at: 4 * $1) ?? 0) } == 0
    }
}
