/// The copy-on-write store of a device-mapper snapshot.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let dmSnapshot = Format("DM_snapshot_cow", .other, Magic("SnAp", at: 0))
}
