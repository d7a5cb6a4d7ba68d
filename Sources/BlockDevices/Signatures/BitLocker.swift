/// BitLocker.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let bitLocker = Format("BitLocker", .crypto, Magic("-FVE-FS-", at: 3))
}
