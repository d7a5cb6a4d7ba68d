/// A UBI device.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let ubi = Format("ubi", .other, Magic("UBI#", at: 0))
}
