/// NSS of NetWare.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let nss = Format("nss", .fileSystem, Magic("SPB5", at: 0x1000))
}
