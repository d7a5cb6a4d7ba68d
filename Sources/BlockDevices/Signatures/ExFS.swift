/// EXFS of Hewlett Packard Enterprise, whose super block is XFS' with another name.
///
/// See: util-linux libblkid/src/superblocks/exfs.c.
extension Format {
    static let exfs = Format("exfs", .fileSystem, Magic("EXFS", at: 0)) { device in
        XFSGeometry(device.bytes(0, 512))?.isSane ?? false
    }
}
