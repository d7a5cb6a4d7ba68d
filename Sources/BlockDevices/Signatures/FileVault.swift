/// Apple's Core Storage with FileVault 2.
///
/// See: util-linux libblkid/src/superblocks/cs_fvault2.c.
extension Format {
    static let fileVault = Format("cs_fvault2", .crypto) { device in
        let head = device.bytes(0, 512)
        let isReal =
            head.holds("CS", at: 88) && head.little(UInt16.self, at: 8) == 1
            && head.little(UInt16.self, at: 10) == 0x10
        return isReal ? [Mark(88, 2)] : []
    }
}
