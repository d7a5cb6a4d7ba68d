/// The first OCFS.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let ocfs = Format("ocfs", .fileSystem, Magic("OracleCFS", at: 8))
}
