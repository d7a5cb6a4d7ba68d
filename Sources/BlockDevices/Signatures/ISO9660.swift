/// ISO 9660 and High Sierra.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let iso9660 = Format("iso9660", .fileSystem, Magic("CD001", at: 0x8001), Magic("CDROM", at: 0x8009))
}
