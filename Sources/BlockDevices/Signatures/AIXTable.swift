/// A disk label of AIX.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let aixTable = Format("aix", .partitionTable, Magic([0xC9, 0xC2, 0xD4, 0xC1], at: 0))
}
