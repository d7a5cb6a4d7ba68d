/// A disk label of Sun: a magic at the end of the first sector, whose words have the XOR 0.
///
/// See: util-linux libblkid/src/partitions/sun.c.
extension Format {
    static let sunTable = Format("sun", .partitionTable) { device in
        let sector = device.bytes(0, 512)
        guard sector.big(UInt16.self, at: 508) == 0xDABE else { return [] }
        let sum = (0..<256).reduce(UInt16(0)) { $0 ^ (sector.big(UInt16.self, at: 2 * $1) ?? 0) }
        return sum == 0 ? [Mark(508, 2)] : []
    }
}
