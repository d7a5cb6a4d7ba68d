/// A disk of Oracle ASM.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let oracleASM = Format("oracleasm", .other, Magic("ORCLDISK", at: 32))
}
