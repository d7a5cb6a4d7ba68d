/// A VDO volume.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let vdo = Format("vdo", .other, Magic("dmvdo001", at: 0))
}
