/// A dm-integrity device.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let dmIntegrity = Format("DM_integrity", .crypto, Magic("integrt\0", at: 0))
}
