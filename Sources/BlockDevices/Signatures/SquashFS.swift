/// SquashFS: version 4, and the older ones in either byte order.
///
/// The version's major number is at 28. The magics of the images that vendors packed with LZMA are in no libblkid.
/// See: util-linux libblkid/src/superblocks/squashfs.c.
extension Format {
    static let squashFS = Format(
        "squashfs",
        .fileSystem,
        Magic("hsqs", at: 0),
        Magic("sqlz", at: 0),
        Magic("qshs", at: 0)
    ) {
        device in
        let head = device.bytes(0, 32)
        return !head.holds("hsqs", at: 0) || (head.little(UInt16.self, at: 28) ?? 0) >= 4
    }

    static let squashFS3 = Format("squashfs3", .fileSystem, Magic("sqsh", at: 0), Magic("hsqs", at: 0)) { device in
        let head = device.bytes(0, 32)
        let version = head.holds("sqsh", at: 0) ? head.big(UInt16.self, at: 28) : head.little(UInt16.self, at: 28)
        return version.map { $0 < 4 } ?? false
    }
}
