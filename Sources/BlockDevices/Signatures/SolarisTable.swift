/// A volume table of Solaris on x86.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let solarisTable = Format("solaris", .partitionTable, Magic([0xEE, 0xDE, 0x0D, 0x60], at: 524))
}
