/// A volume table of UnixWare.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let unixWareTable = Format("unixware", .partitionTable, Magic([0x0D, 0x60, 0x5E, 0xCA], at: 0x3A04))
}
