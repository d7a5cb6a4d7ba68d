/// The first OCFS; libblkid looks for it at 8 KiB.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let ocfs = Format("ocfs", .fileSystem, Magic("OracleCFS", at: 8), Magic("OracleCFS", at: 0x2000))
}
