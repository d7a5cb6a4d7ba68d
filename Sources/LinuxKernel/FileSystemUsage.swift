internal import CLinux
internal import Glibc
internal import SystemPackage

/// How full a mounted file system is.
///
/// See: statvfs(3).
public struct FileSystemUsage: Sendable, Hashable {
    /// All bytes.
    public let totalBytes: UInt64
    /// Free bytes, including the reserve for root.
    public let freeBytes: UInt64
    /// Bytes that everybody may take.
    public let availableBytes: UInt64
    /// All inodes.
    public let totalInodes: UInt64
    /// Inodes that nobody has taken.
    public let freeInodes: UInt64

    /// Asks the file system at `path`.
    public init(of path: String) throws(KernelError) {
        var status = statvfs()
        let result: CInt = statvfs(path, &status)
        try checked("statvfs", path, result)
        let unit = UInt64(status.f_frsize)
        totalBytes = UInt64(status.f_blocks) * unit
        freeBytes = UInt64(status.f_bfree) * unit
        availableBytes = UInt64(status.f_bavail) * unit
        totalInodes = UInt64(status.f_files)
        freeInodes = UInt64(status.f_ffree)
    }
}

/// What mounted file systems do on request.
public enum FileSystemControl {
    /// Grows the ext4 mounted at `path` to `bytes`.
    ///
    /// Implements `EXT4_IOC_RESIZE_FS`. Throws EPERM without CAP_SYS_RESOURCE.
    public static func growExt4(at path: String, toBytes bytes: UInt64) throws(KernelError) {
        let directory = try OwnedDescriptor(opening: path, O_RDONLY | O_DIRECTORY)
        var status = statvfs()
        try checked("fstatvfs", path, fstatvfs(directory.rawValue, &status))
        let blocks = bytes / UInt64(status.f_bsize)
        try accepted("EXT4_IOC_RESIZE_FS", path, clinux_ext4_resize(directory.rawValue, blocks))
    }

    /// Grows the xfs mounted at `path` to `bytes`; succeeds if it is that large.
    ///
    /// Implements `XFS_IOC_FSGROWFSDATA`.
    public static func growXFS(at path: String, toBytes bytes: UInt64) throws(KernelError) {
        let directory = try OwnedDescriptor(opening: path, O_RDONLY | O_DIRECTORY)
        guard let (wanted, inodePercent) = try growth(ofXFS: directory, path, bytes) else { return }
        let grown = clinux_xfs_grow_data(directory.rawValue, wanted, inodePercent)
        try accepted("XFS_IOC_FSGROWFSDATA", path, grown)
    }

    /// Whether the xfs mounted at `path` is smaller than `bytes` by a block or more; reads nothing from its device.
    ///
    /// Implements `XFS_IOC_FSGEOMETRY`.
    public static func canGrowXFS(at path: String, toBytes bytes: UInt64) throws(KernelError) -> Bool {
        try growth(ofXFS: OwnedDescriptor(opening: path, O_RDONLY | O_DIRECTORY), path, bytes) != nil
    }

    private static func growth(
        ofXFS directory: borrowing OwnedDescriptor,
        _ path: String,
        _ bytes: UInt64
    ) throws(KernelError) -> (blocks: UInt64, inodePercent: UInt32)? {
        var blockSize: UInt32 = 0
        var blocks: UInt64 = 0
        var inodePercent: UInt32 = 0
        let result = clinux_xfs_geometry(directory.rawValue, &blockSize, &blocks, &inodePercent)
        try accepted("XFS_IOC_FSGEOMETRY", path, result)
        let wanted = bytes / UInt64(blockSize)
        return wanted > blocks ? (wanted, inodePercent) : nil
    }

    /// Discards the free space of the file system at `path`; returns the discarded bytes.
    ///
    /// Implements `FITRIM`. Similar to: fstrim(8).
    public static func trim(_ path: String) throws(KernelError) -> UInt64 {
        let directory = try OwnedDescriptor(opening: path, O_RDONLY | O_DIRECTORY)
        var trimmed: UInt64 = 0
        try accepted("FITRIM", path, clinux_fitrim(directory.rawValue, &trimmed))
        return trimmed
    }
}
