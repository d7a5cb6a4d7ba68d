/// A partition table of Ultrix.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let ultrixTable = Format("ultrix", .partitionTable, Magic([0x57, 0x29, 0x03, 0x00], at: 0x3FB8))
}
