/// A partition table of Ultrix that says it is valid.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let ultrixTable = Format("ultrix", .partitionTable, Magic([0x57, 0x29, 0x03, 0x00], at: 0x3FB8)) { device in
        device.bytes(0x3FBC, 4).little(UInt32.self, at: 0) == 1
    }
}
