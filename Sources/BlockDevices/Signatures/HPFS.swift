/// HPFS: its super block and the spare one after it.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let hpfs = Format("hpfs", .fileSystem, Magic([0x49, 0xE8, 0x95, 0xF9], at: 0x2000)) { device in
        device.source.holds([0x49, 0x18, 0x91, 0xF9], at: 0x2200)
    }
}
