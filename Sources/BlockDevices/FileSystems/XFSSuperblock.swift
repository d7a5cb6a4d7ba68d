/// The first super block of an xfs: the fields that are needed to stage or grow a volume.
///
/// See: fs/xfs/libxfs/xfs_format.h, `xfs_dsb`; big-endian.
public struct XFSSuperblock: Sendable, Hashable {
    /// The size of a block in bytes.
    public let blockBytes: UInt64
    /// How many blocks it has.
    public let blockCount: UInt64
    /// The blocks of an allocation group; the last may have fewer.
    public let groupBlocks: UInt64
    /// How many allocation groups it has.
    public let groupCount: UInt64
    /// `sb_inprogress`: mkfs.xfs sets it first and clears it last; no kernel mounts a file system with it.
    let isInProgress: Bool
    /// The first byte after the headers of the first group, where the data area begins.
    let dataStartBytes: UInt64
    /// `sb_icount` less `sb_ifree`: inodes in use; `nil` if more are free than there are.
    let usedInodes: UInt64?
    /// Where its log is, in bytes; `nil` if it lies on another device.
    let log: ByteExtent?

    /// Whether a checksum is over it, which was compared.
    let hasChecksum: Bool

    /// Its size in bytes.
    public var sizeBytes: UInt64 { blockCount.multipliedReportingOverflow(by: blockBytes).partialValue }

    /// Reads it; `nil` if there is none that a kernel would mount.
    ///
    /// Version 5 has its checksum compared.
    public init?(_ source: any ByteSource) {
        let head = source.bytes(at: 0, count: 512)
        guard head.count == 512, head.holds("XFSB", at: 0), let blockBytes = head.big(UInt32.self, at: 4),
            blockBytes.nonzeroBitCount == 1, (512...65536).contains(blockBytes),
            let blockCount = head.big(UInt64.self, at: 8), blockCount > 0,
            let logStart = head.big(UInt64.self, at: 48), let groupBlocks = head.big(UInt32.self, at: 84),
            groupBlocks > 0, let groupCount = head.big(UInt32.self, at: 88), groupCount > 0,
            let logBlocks = head.big(UInt32.self, at: 96), let version = head.big(UInt16.self, at: 100),
            let sectorBytes = head.big(UInt16.self, at: 102), sectorBytes.nonzeroBitCount == 1,
            (512...32768).contains(sectorBytes), blockCount <= UInt64.max / UInt64(blockBytes)
        else { return nil }
        hasChecksum = version & 0xF == 5
        if hasChecksum {
            var sector = source.bytes(at: 0, count: Int(sectorBytes))
            guard sector.count == Int(sectorBytes), let sum = sector.little(UInt32.self, at: 224) else { return nil }
            sector.replaceSubrange(224..<228, with: [0, 0, 0, 0])
            guard ~CRC32.ceph(sector) == sum else { return nil }
        }
        self.blockBytes = UInt64(blockBytes)
        self.blockCount = blockCount
        self.groupBlocks = UInt64(groupBlocks)
        self.groupCount = UInt64(groupCount)
        isInProgress = head[126] != 0
        let (inodes, free) = (head.big(UInt64.self, at: 128) ?? 0, head.big(UInt64.self, at: 136) ?? .max)
        usedInodes = free <= inodes ? inodes - free : nil
        // The super block and the headers for free space, inodes and free list take one sector each.
        let headers = 4 * UInt64(sectorBytes)
        dataStartBytes = (headers + self.blockBytes - 1) / self.blockBytes * self.blockBytes
        let shift = UInt64(head[124])
        if logStart != 0, shift < 32, logBlocks > 0 {
            let (start, overflow) = (logStart >> shift).multipliedReportingOverflow(by: UInt64(groupBlocks))
            let rest = logStart & ((1 << shift) - 1)
            log =
                !overflow && start < blockCount && rest < blockCount - start
                ? ByteExtent(
                    offset: (start + rest) * self.blockBytes,
                    length: UInt64(logBlocks) * self.blockBytes
                ) : nil
        } else {
            log = nil
        }
    }

    /// The inodes that mkfs.xfs uses: the root directory and two for a real-time section, whether there is one or not.
    static let madeInodes: UInt64 = 3

    /// Whether nobody has mounted it for writing, and it has no files that were put there by other means.
    ///
    /// `mkfs.xfs -p` makes files without a mount, and xfs_copy makes the log anew: there the inodes tell.
    ///
    /// mkfs.xfs fills the log with zeros and writes one unmount record of cycle 1 at its beginning. Every mount for
    /// writing adds records after it before any file data becomes permanent.
    func isUntouched(_ source: any ByteSource) -> Bool {
        guard let log, let usedInodes, usedInodes <= Self.madeInodes else { return false }
        let head = source.bytes(at: log.offset, count: Int(min(log.length, Self.lookedAt)))
        // The record's cycle, its position and its one operation.
        guard head.big(UInt32.self, at: 0) == 0xFEED_BABE, head.big(UInt32.self, at: 4) == 1,
            head.big(UInt64.self, at: 16) == 1 << 32, head.big(UInt32.self, at: 40) == 1
        else { return false }
        // A header of 512 bytes for each 32 KiB of the log's buffer, then the operation's sector. With a log stripe
        // unit the record fills the unit; its other sectors contain only the cycle.
        let headers = max(1, (UInt64(head.big(UInt32.self, at: 320) ?? 0) + 32767) / 32768)
        let recordBytes = UInt64(head.big(UInt32.self, at: 12) ?? 0) + headers * 512
        return stride(from: 512, to: head.count, by: 512).allSatisfy { offset in
            let sector = head[offset..<min(offset + 512, head.count)]
            guard sector.contains(where: { $0 != 0 }), UInt64(offset) != headers * 512 else { return true }
            return UInt64(offset) < recordBytes && sector.starts(with: [0, 0, 0, 1])
                && sector.dropFirst(4).allSatisfy { $0 == 0 }
        }
    }

    /// The kernel clears up to 2 MiB after the head of the log at once.
    static let lookedAt: UInt64 = 1 << 20
}
