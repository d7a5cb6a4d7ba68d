/// VMFS.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let vmfs = Format("VMFS", .fileSystem, Magic([0x5E, 0xF1, 0xAB, 0x2F], at: 0x200000))
}
