/// XFS.
///
/// See: fs/xfs/libxfs/xfs_format.h.
extension Format {
    static let xfs = Format("xfs", .fileSystem, Magic("XFSB", at: 0))
}
