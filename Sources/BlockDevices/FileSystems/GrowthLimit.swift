public import LinuxKernel

/// How far a file system can grow, and what limits it.
///
/// | file system | limit | why |
/// | --- | --- | --- |
/// | xfs | 10,000 allocation groups | their size is that of the beginning: a fortieth of the disk that it was made for, say |
/// | ext4 without 64bit | 2^32 - 1 blocks: 16 TiB with 4 KiB | block numbers have 32 bits |
/// | ext4 | 2^32 - 1 inodes: 64 TiB with 8,192 in a group | a group has as many as mkfs gave it |
/// | ext4 | descriptors of its groups in one group: 1 TiB with 1 KiB blocks | resize2fs refuses more |
/// | ext4 | 2^20 block groups: 128 TiB with 4 KiB blocks | as for xfs |
/// | ext4 with bigalloc | its present size | resize2fs grows it only by force |
///
/// The kernel keeps data for every group in memory while the file system is mounted, and writes the headers of every
/// new group while it grows: see fs/xfs/xfs_fsops.c, `xfs_growfs_data_private`, and fs/xfs/libxfs/xfs_ag.c,
/// `xfs_initialize_perag`; fs/ext4/resize.c, `ext4_resize_fs`, and fs/ext4/mballoc.c, `ext4_mb_init_backend`. mkfs.xfs
/// makes four groups on a small disk, so 10,000 groups are 2,500 times the size; on large disks groups have up to 1
/// TiB. resize2fs's own limits: e2fsprogs resize/main.c, and resize/resize2fs.c, `adjust_fs_info`.
public struct GrowthLimit: Sendable, Hashable {
    /// The size of the file system now, in bytes.
    public let presentBytes: UInt64
    /// The largest size in bytes; at least the present size.
    public let bytes: UInt64
    /// In words: `its xfs has allocation groups of 64 MiB …`.
    public let reason: String

    /// The most allocation groups of an xfs.
    public static let mostXFSGroups: UInt64 = 10_000
    /// The most block groups of an ext4.
    public static let mostExt4Groups: UInt64 = 1 << 20

    /// The limit of the file system on `source`, which may be only its beginning; `nil` if there is neither ext4 nor
    /// xfs.
    public init?(_ source: any ByteSource) {
        if let found = XFSSuperblock(source) {
            let group = found.groupBlocks * found.blockBytes
            presentBytes = found.sizeBytes
            bytes = max(found.sizeBytes, Self.times(group, Self.mostXFSGroups))
            reason =
                "its xfs was made with allocation groups of \(group >> 20) MiB, and cannot do with more than 10,000 of "
                + "them"
        } else if let found = ExtSuperblock(source) {
            presentBytes = found.sizeBytes
            (bytes, reason) = Self.ext4(found)
        } else {
            return nil
        }
    }

    /// The largest image in whole MiB, as images are made and resized.
    ///
    /// It is the limit rounded down, but never less than the file system has: an image that is shrunk to this keeps all of
    /// it.
    public var imageBytes: UInt64 { max(Self.roundedUp(presentBytes), bytes / Self.mebibyte * Self.mebibyte) }

    /// Whether an image may have `size` bytes: not more than the limit, or only by the rest of a MiB.
    public func allows(_ size: UInt64) -> Bool { size <= max(bytes, imageBytes) }

    private static let mebibyte: UInt64 = 1 << 20

    /// A size in bytes in whole MiB, rounded up; that of the largest number is rounded down.
    private static func roundedUp(_ bytes: UInt64) -> UInt64 {
        let (sum, overflow) = bytes.addingReportingOverflow(mebibyte - 1)
        return (overflow ? bytes : sum) / mebibyte * mebibyte
    }

    /// The least of ext4's limits.
    private static func ext4(_ found: ExtSuperblock) -> (bytes: UInt64, reason: String) {
        guard !found.hasBigalloc else {
            return (found.sizeBytes, "its ext4 was made with bigalloc, which resize2fs does not grow")
        }
        let group = found.groupBlocks * found.blockBytes
        let inInodes = UInt64(UInt32.max) / found.groupInodes
        let inDescriptors = (found.groupBlocks - found.firstDataBlock) * (found.blockBytes / found.descriptorBytes)
        let limits = [
            (
                found.is64Bit ? .max : UInt64(UInt32.max) * found.blockBytes,
                "its ext4 has no 64bit, so \(found.blockBytes) times 2^32 bytes are its end"
            ),
            (
                times(group, inDescriptors),
                "the block groups of its ext4 have \(found.groupBlocks) blocks of \(found.blockBytes) bytes, and one group "
                    + "has to have room for the descriptors of all"
            ),
            (
                times(group, inInodes),
                "its ext4 was made with \(found.groupInodes) inodes in each \(group >> 20) MiB, and cannot have more than "
                    + "2^32 of them"
            ),
            (
                times(group, mostExt4Groups),
                "its ext4 has block groups of \(group >> 20) MiB, and cannot do with more than 2^20 of them"
            ),
        ]
        let least = limits.min { $0.0 < $1.0 } ?? limits[0]
        return (max(found.sizeBytes, least.0), least.1)
    }

    /// The product, or the largest number on overflow, because values on a disk can be arbitrary.
    private static func times(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedReportingOverflow(by: right)
        return product.overflow ? .max : product.partialValue
    }

    /// Whether the size of the file system on a device can be believed: a checksum is over its super block, or the second
    /// super block says the same.
    ///
    /// Without a checksum a damaged super block can say any size. The second one is that of the second group; a device
    /// that ends before it has none.
    public static func isSizeProven(on path: String) throws(KernelError) -> Bool {
        let head = try DeviceHead(of: path).source
        let (offset, isSame): (UInt64, ([UInt8]) -> Bool)
        if let found = XFSSuperblock(head) {
            guard !found.hasChecksum else { return true }
            let first = head.bytes(at: 0, count: 16)
            (offset, isSame) = (times(found.groupBlocks, found.blockBytes), { Array($0.prefix(16)) == first })
        } else if let found = ExtSuperblock(head) {
            guard !found.hasChecksum else { return true }
            let first = head.bytes(at: ExtSuperblock.offset, count: 1024)
            offset = times(found.firstDataBlock + found.groupBlocks, found.blockBytes)
            // Its size, its magic number and its UUID.
            isSame = { second in
                [0x4..<0x8, 0x38..<0x3A, 0x68..<0x78, 0x150..<0x154].allSatisfy { first[$0] == second[$0] }
            }
        } else {
            return false
        }
        let descriptor = try ContentProbe.openUncached(path)
        let start = offset & ~4095
        guard try descriptor.endOffset() >= start &+ 8192, start < .max - 8192 else { return false }
        let buffer = AlignedBuffer(count: 8192)
        guard try descriptor.readBlocks(into: buffer, count: 8192, at: start) == 8192 else { return false }
        let skipped = Int(offset - start)
        return isSame(Array(buffer.copy(skipped..<skipped + 1024)))
    }

    /// That of the file system on a device.
    public static func limit(of path: String) throws(KernelError) -> GrowthLimit? {
        GrowthLimit(try DeviceHead(of: path).source)
    }
}
