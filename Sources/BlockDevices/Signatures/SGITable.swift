/// A disk label of SGI.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let sgiTable = Format("sgi", .partitionTable, Magic([0x0B, 0xE5, 0xA9, 0x41], at: 0))
}
