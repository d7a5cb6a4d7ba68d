extension XFSSuperblock {
    /// Whether nothing was ever stored in it, whatever its super block says.
    ///
    /// The mark of an unfinished mkfs alone is no proof: the super blocks of the other groups have it for ever, and a
    /// hand that mends the first by a copy of one brings it there. So the whole log and the inodes of all groups
    /// must be as mkfs.xfs leaves them, or not yet written.
    ///
    /// See: xfs_format.h, `xfs_agi`; mkfs.xfs makes one chunk of 64 inodes, in the first group, and uses three.
    func isUnused(_ source: any ByteSource) -> Bool {
        isLogUnused(source) && groupCount <= Self.mostGroups
            && (0..<groupCount).allSatisfy { isGroupUnused($0, source) }
    }

    /// A terabyte each, and mkfs.xfs takes less only for small devices and stripes.
    private static let mostGroups: UInt64 = 4096
    private static let chunk: UInt32 = 64
    private static let made = UInt32(madeInodes)

    private func isGroupUnused(_ group: UInt64, _ source: any ByteSource) -> Bool {
        guard let sectorBytes = source.bytes(at: 102, count: 2).big(UInt16.self, at: 0) else { return false }
        let place = group * groupBlocks * blockBytes + 2 * UInt64(sectorBytes)
        let header = source.bytes(at: place, count: 296)
        guard header.count == 296 else { return false }
        // Not yet written.
        if header.allSatisfy({ $0 == 0 }) { return true }
        guard header.holds("XAGI", at: 0), let count = header.big(UInt32.self, at: 16),
            let free = header.big(UInt32.self, at: 28)
        else { return false }
        return count == 0 || group == 0 && count == Self.chunk && free >= Self.chunk - Self.made && free <= count
    }

    private func isLogUnused(_ source: any ByteSource) -> Bool {
        guard let log else { return false }
        let step = Self.lookedAt
        var offset: UInt64 = 0
        while offset < log.length {
            let count = min(step, log.length - offset)
            let bytes = source.bytes(at: log.offset + offset, count: Int(count))
            guard bytes.count == Int(count) else { return false }
            let isZero = bytes.allSatisfy { $0 == 0 }
            guard isZero || offset == 0 && isUntouched(source) else { return false }
            offset += count
        }
        return true
    }
}
