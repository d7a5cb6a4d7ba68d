/// A volume table of Solaris on x86, of version 1.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let solarisTable = Format("solaris", .partitionTable, Magic([0xEE, 0xDE, 0x0D, 0x60], at: 524)) { device in
        device.bytes(528, 4).little(UInt32.self, at: 0) == 1
    }
}
