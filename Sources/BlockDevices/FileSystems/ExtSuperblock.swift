public import LinuxKernel
internal import SystemPackage

/// The super block of an ext file system: the fields that are needed to stage or grow a volume.
///
/// See: Documentation/filesystems/ext4/super.rst.
public struct ExtSuperblock: Sendable, Hashable {
    /// The largest last block group that is not used, because its bitmaps and inode table would leave no room for data.
    static let toleranceBytes: UInt64 = 4 << 20
    /// Where it stands.
    static let offset: UInt64 = 1024

    /// The size of a block in bytes.
    public let blockBytes: UInt64
    /// How many blocks it has.
    public let blockCount: UInt64
    /// Blocks of a group.
    public let groupBlocks: UInt64
    /// Inodes of a group.
    let groupInodes: UInt64
    /// The size of a group's descriptor in bytes.
    let descriptorBytes: UInt64
    /// `s_first_data_block`: 1 with blocks of 1 KiB, otherwise 0.
    let firstDataBlock: UInt64
    /// Whether it counts clusters instead of blocks.
    let hasBigalloc: Bool
    /// Whether block numbers have more than 32 bits.
    public let is64Bit: Bool
    /// The first byte after the super block and the group descriptors, where the data area begins.
    let dataStartBytes: UInt64
    /// `s_mnt_count`: how often it was mounted since it was last checked.
    let mountCount: UInt16
    /// `s_mtime` with its high byte: when it was last mounted for writing; 0 for never.
    let mountTime: UInt64
    /// Inodes in use.
    let usedInodes: UInt64
    /// How many inodes mke2fs itself uses beside the reserved ones and `lost+found`: the orphan file's and that of the
    /// projects' quota, which `project` without `quota` does not have.
    let ownInodes: UInt64
    /// `s_first_ino`: the first that files get; `lost+found` has it.
    let firstInode: UInt64

    /// Whether a checksum is over it, which was compared.
    let hasChecksum: Bool

    /// Its size in bytes.
    public var sizeBytes: UInt64 { blockCount.multipliedReportingOverflow(by: blockBytes).partialValue }

    /// Reads it; `nil` if there is none that a kernel would mount.
    ///
    /// With metadata_csum the checksum is compared; without it, the magic and a plausible geometry are required.
    public init?(_ source: any ByteSource) {
        let block = source.bytes(at: Self.offset, count: 1024)
        guard block.count == 1024, block.little(UInt16.self, at: 0x38) == 0xEF53,
            let logBlock = block.little(UInt32.self, at: 0x18), logBlock <= 6,
            let low = block.little(UInt32.self, at: 0x4), let firstDataBlock = block.little(UInt32.self, at: 0x14),
            let groupBlocks = block.little(UInt32.self, at: 0x20), groupBlocks > 0,
            let incompatible = block.little(UInt32.self, at: 0x60), let readOnly = block.little(UInt32.self, at: 0x64),
            let inodes = block.little(UInt32.self, at: 0x0), let free = block.little(UInt32.self, at: 0x10),
            free <= inodes, let high = block.little(UInt32.self, at: 0x150),
            let groupInodes = block.little(UInt32.self, at: 0x28), groupInodes > 0
        else { return nil }
        blockBytes = 1024 << UInt64(logBlock)
        is64Bit = incompatible & 0x80 != 0
        self.groupBlocks = UInt64(groupBlocks)
        self.groupInodes = UInt64(groupInodes)
        self.firstDataBlock = UInt64(firstDataBlock)
        hasBigalloc = readOnly & 0x200 != 0
        blockCount = UInt64(low) | (is64Bit ? UInt64(high) << 32 : 0)
        guard blockCount > 0, blockCount <= UInt64.max / blockBytes, firstDataBlock <= 1 else { return nil }
        // The crc32c of everything before it; RO_COMPAT_METADATA_CSUM.
        hasChecksum = readOnly & 0x400 != 0
        if hasChecksum {
            guard block.little(UInt32.self, at: 0x3FC) == CRC32.ceph(block.prefix(0x3FC)) else { return nil }
        }
        // A value on a disk can be arbitrary; a descriptor is never larger than a block.
        descriptorBytes = is64Bit ? min(blockBytes, UInt64(max(32, block.little(UInt16.self, at: 0xFE) ?? 32))) : 32
        let groups = (blockCount - UInt64(firstDataBlock) + UInt64(groupBlocks) - 1) / UInt64(groupBlocks)
        // More than any kernel accepts, and small enough not to overflow.
        guard groups <= 1 << 40 else { return nil }
        // META_BG spreads the descriptors over the groups.
        let table =
            incompatible & 0x10 != 0 ? blockBytes : groups * descriptorBytes
        let tableBlocks = max(1, table / blockBytes + (table % blockBytes == 0 ? 0 : 1))
        dataStartBytes = (UInt64(firstDataBlock) + 1 + tableBlocks) * blockBytes
        mountCount = block.little(UInt16.self, at: 0x34) ?? 0
        mountTime = UInt64(block.little(UInt32.self, at: 0x2C) ?? 0) | UInt64(block[0x275]) << 32
        usedInodes = UInt64(inodes - free)
        // s_orphan_file_inum, s_prj_quota_inum.
        ownInodes = [0x280, 0x26C].reduce(0) { $0 + (block.little(UInt32.self, at: $1) ?? 0 == 0 ? 0 : 1) }
        firstInode = UInt64(block.little(UInt32.self, at: 0x54) ?? 11)
    }

    /// Whether it was never mounted for writing and has no files that were added by other means.
    ///
    /// The kernel writes mount time and count into the super block before a mount for writing returns. A program that
    /// writes without a mount, such as debugfs or `mke2fs -d`, allocates inodes.
    var isUntouched: Bool { mountCount == 0 && mountTime == 0 && usedInodes <= firstInode + ownInodes }

    /// The size in bytes of the ext file system on a device.
    public static func sizeBytes(of path: String) throws(KernelError) -> UInt64 {
        guard let found = ExtSuperblock(try DeviceHead(of: path).source) else {
            throw KernelError("ext4", .invalidArgument, path)
        }
        return found.sizeBytes
    }

    /// The super block in a device's head without what every run of e2fsck writes: its times, its state, its
    /// checksum; `nil` if it is not whole.
    ///
    /// Two that differ are of a file system that was changed between.
    public static func substance(of head: DeviceHead) -> [UInt8]? {
        var block = head.source.bytes(at: Self.offset, count: 1024)
        guard block.count == 1024 else { return nil }
        // s_wtime, s_state, s_kbytes_written, s_wtime_hi, s_checksum.
        for place in [0x30..<0x34, 0x3A..<0x3C, 0x178..<0x180, 0x274..<0x275, 0x3FC..<0x400] {
            for index in place { block[index] = 0 }
        }
        return block
    }

    /// Whether a file system of `present` bytes can use more of a device of `device` bytes.
    public static func canGrow(from present: UInt64, to device: UInt64) -> Bool {
        device > present && device - present > toleranceBytes
    }
}
