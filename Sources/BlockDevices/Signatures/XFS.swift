/// XFS.
///
/// See: fs/xfs/libxfs/xfs_format.h.
extension Format {
    static let xfs = Format("xfs", .fileSystem) { device in
        let head = device.bytes(0, 512)
        guard head.holds("XFSB", at: 0), XFSGeometry(head)?.isSane ?? false else { return [] }
        // Kernel and blkid pass over one with a wrong checksum, but xfs_repair does not.
        return [Mark(0, 4, XFSSuperblock(device.source) == nil ? Mark.wrongChecksum : nil)]
    }
}

/// The sizes in a super block of XFS, as mkfs.xfs can have written them.
///
/// See: util-linux libblkid/src/superblocks/xfs.c, `xfs_verify_sb`; big-endian.
struct XFSGeometry {
    private let block: (bytes: UInt32, log: UInt8)
    private let sector: (bytes: UInt16, log: UInt8)
    private let inode: (bytes: UInt16, log: UInt8, perBlockLog: UInt8)
    private let groups: (count: UInt32, blocks: UInt32)
    private let blockCount: UInt64
    private let realtimeExtent: UInt32
    private let inodePercent: UInt8

    init?(_ head: [UInt8]) {
        guard head.count >= 128, let blockBytes = head.big(UInt32.self, at: 4),
            let blocks = head.big(UInt64.self, at: 8),
            let realtime = head.big(UInt32.self, at: 80), let groupBlocks = head.big(UInt32.self, at: 84),
            let groupCount = head.big(UInt32.self, at: 88), let sectorBytes = head.big(UInt16.self, at: 102),
            let inodeBytes = head.big(UInt16.self, at: 104)
        else { return nil }
        block = (blockBytes, head[120])
        sector = (sectorBytes, head[121])
        inode = (inodeBytes, head[122], head[123])
        groups = (groupCount, groupBlocks)
        blockCount = blocks
        realtimeExtent = realtime
        inodePercent = head[127]
    }

    var isSane: Bool {
        guard (9...16).contains(block.log), block.bytes == 1 << block.log, (9...15).contains(sector.log),
            sector.bytes == 1 << sector.log, (8...11).contains(inode.log), inode.bytes == 1 << inode.log,
            Int(block.log) - Int(inode.log) == Int(inode.perBlockLog), inodePercent <= 100, groups.count > 0
        else { return false }
        let realtimeBytes = UInt64(realtimeExtent) * UInt64(block.bytes)
        let most = UInt64(groups.count) * UInt64(groups.blocks)
        let least = UInt64(groups.count - 1) * UInt64(groups.blocks) + 64
        return (4096...(1 << 30)).contains(realtimeBytes) && blockCount > 0 && blockCount <= most && blockCount >= least
    }
}
