public import LinuxKernel

/// The descriptors of an ext file system's block groups, looked at as a kernel does before it mounts them.
///
/// They say where each group has its bitmaps and its inodes. `e2fsck -p` goes by the first copy of them whatever it says, writes
/// new checksums over it and drops the journal that it leads nowhere; only e2fsck without `-p` turns to another copy. So what is
/// wrong here has to be known before `-p`.
///
/// See: Documentation/filesystems/ext4/group_descr.rst; fs/ext4/super.c, `ext4_check_descriptors`; e2fsck/unix.c, `main`.
public struct ExtDescriptors: Sendable {
    /// What is wrong with one.
    public struct Fault: Sendable, Hashable {
        /// The first group that is concerned.
        public let group: UInt64
        /// In words, after `the descriptor of block group 3`.
        public let words: String
        /// They are at places where they can be; only a checksum says that they are others than before.
        public let isOfChecksum: Bool
        /// The journal is found all the same: the first group has its inode.
        public let leavesJournal: Bool
    }

    /// What is wrong first; nothing when all are sound.
    public let fault: Fault?
    /// The journal has changes that are not in their places yet, perhaps of descriptors as well.
    public let hasUnreplayedLog: Bool
    /// The options by which e2fsck goes by another copy, as `-b 32768 -B 4096`; nothing where there is none.
    public let otherCopy: String?

    /// What is over a descriptor, with what it begins from.
    private enum Sum { case none, crc16(UInt16), crc32c(UInt32) }

    /// Looks at those of the file system on a device; `nil` where no super block is, or one of features that may have them
    /// elsewhere.
    ///
    /// - Parameters:
    ///   - path: A block device, or a file in tests.
    ///   - head: Its head, if nothing was written since that was read; `nil` to read it.
    /// - Throws: `KernelError` when they cannot be read.
    public init?(of path: String, head: DeviceHead? = nil) throws(KernelError) {
        let head = if let head { head } else { try DeviceHead(of: path) }
        guard let found = ExtSuperblock(head.source) else { return nil }
        let block = head.source.bytes(at: ExtSuperblock.offset, count: 1024)
        // filetype, recover, meta_bg, extents, 64bit, mmp, flex_bg, ea_inode, csum_seed, largedir, inline_data, encrypt, casefold.
        guard (block.little(UInt32.self, at: 0x60) ?? 0) & ~0x3E7D6 == 0 else { return nil }
        hasUnreplayedLog = (block.little(UInt32.self, at: 0x60) ?? 0) & 0x4 != 0
        otherCopy = Self.otherCopy(found, block)
        let descriptor = try ContentProbe.openUncached(path)
        fault = try Self.firstFault(found, block, descriptor, head)
    }

    private static func firstFault(
        _ found: ExtSuperblock,
        _ block: [UInt8],
        _ device: borrowing OwnedDescriptor,
        _ head: DeviceHead
    ) throws(KernelError) -> Fault? {
        let groups = groups(found)
        let inBlock = found.blockBytes / found.descriptorBytes
        let sum = sum(block)
        let tableBlocks = (groups + inBlock - 1) / inBlock
        // META_BG: from this block of descriptors on, each lies in the first of its own groups.
        let isSpread = (block.little(UInt32.self, at: 0x60) ?? 0) & 0x10 != 0
        let together = isSpread ? min(tableBlocks, UInt64(block.little(UInt32.self, at: 0x104) ?? 0)) : tableBlocks
        let superBlock = ExtSuperblock.offset / found.blockBytes
        let end = try device.endOffset()
        var next: UInt64 = 0
        // A wrong place counts more than a wrong checksum, wherever it is.
        var other: Fault?
        while next < tableBlocks {
            let count = next < together ? min(together - next, max(1, (1 << 20) / found.blockBytes)) : 1
            let place: UInt64
            if next < together {
                place = superBlock + 1 + next
            } else {
                let group = next * inBlock
                let first = group == 0 ? superBlock : found.firstDataBlock + group * found.groupBlocks
                place = first + (hasSuperblock(group, block) ? 1 : 0)
            }
            let (offset, length) = (place * found.blockBytes, Int(count * found.blockBytes))
            let bytes =
                if let there = head.bytes(at: offset, count: length) { there } else {
                    try read(device, at: offset, count: length, end: end)
                }
            for index in 0..<(count * inBlock) {
                let group = next * inBlock + index
                guard group < groups else { break }
                let start = Int(index * found.descriptorBytes)
                guard start + Int(found.descriptorBytes) <= bytes.count else {
                    return Fault(
                        group: group,
                        words: "lies behind the end of the image",
                        isOfChecksum: false,
                        leavesJournal: group > 0 && other?.group != 0
                    )
                }
                let one = Array(bytes[start..<start + Int(found.descriptorBytes)])
                if let words = misplaced(one, group, found, block) {
                    let leavesJournal = group > 0 && other?.group != 0
                    return Fault(group: group, words: words, isOfChecksum: false, leavesJournal: leavesJournal)
                }
                if !isWhole(one, group, sum), other == nil {
                    other = Fault(
                        group: group,
                        words: "has another checksum than what is in it",
                        isOfChecksum: true,
                        leavesJournal: true
                    )
                }
            }
            next += count
        }
        return other
    }

    /// Which part of a group is where none can be, in words.
    private static func misplaced(
        _ descriptor: [UInt8],
        _ group: UInt64,
        _ found: ExtSuperblock,
        _ block: [UInt8]
    ) -> String? {
        let inodeBytes = max(128, UInt64(block.little(UInt16.self, at: 0x58) ?? 128))
        let perInodeTable = (found.groupInodes * inodeBytes + found.blockBytes - 1) / found.blockBytes
        // With flex_bg they may be in any group.
        let isFlexible = (block.little(UInt32.self, at: 0x60) ?? 0) & 0x200 != 0
        let ownStart = found.firstDataBlock + group * found.groupBlocks
        let first = isFlexible ? found.firstDataBlock : ownStart
        let last = isFlexible ? found.blockCount : min(found.blockCount, ownStart + found.groupBlocks)
        let parts: [(String, low: Int, high: Int, count: UInt64)] = [
            ("block bitmap", 0x0, 0x20, 1), ("inode bitmap", 0x4, 0x24, 1), ("inode table", 0x8, 0x28, perInodeTable),
        ]
        for part in parts {
            let high = descriptor.count >= 64 ? UInt64(descriptor.little(UInt32.self, at: part.high) ?? 0) << 32 : 0
            let place = UInt64(descriptor.little(UInt32.self, at: part.low) ?? 0) | high
            let isInside = place >= first && place > ExtSuperblock.offset / found.blockBytes && place < last
            guard isInside, part.count <= last - place else {
                return
                    "has its \(part.0) in block \(place), which is \(isFlexible ? "no place for one" : "not in that group")"
            }
        }
        return nil
    }

    /// Whether its checksum is that of what is in it.
    private static func isWhole(_ descriptor: [UInt8], _ group: UInt64, _ sum: Sum) -> Bool {
        let noted = descriptor.little(UInt16.self, at: 0x1E) ?? 0
        let number = (0..<4).map { UInt8(truncatingIfNeeded: group >> (8 * UInt64($0))) }
        let expected: UInt16
        switch sum {
        case .none: return true
        case .crc32c(let seed):
            var whole = descriptor
            (whole[0x1E], whole[0x1F]) = (0, 0)
            expected = UInt16(truncatingIfNeeded: CRC32.castagnoli(number + whole, from: seed))
        case .crc16(let seed):
            expected = crc16(number + descriptor[..<0x1E] + descriptor[0x20...], from: seed)
        }
        return noted == expected
    }

    private static func groups(_ found: ExtSuperblock) -> UInt64 {
        (found.blockCount - found.firstDataBlock + found.groupBlocks - 1) / found.groupBlocks
    }

    /// What is over each descriptor: of metadata_csum, of gdt_csum, or nothing.
    private static func sum(_ block: [UInt8]) -> Sum {
        let readOnly = block.little(UInt32.self, at: 0x64) ?? 0
        let uuid = block[0x68..<0x78]
        if readOnly & 0x400 != 0 {
            // metadata_csum_seed: the UUID may have changed since.
            let isNoted = (block.little(UInt32.self, at: 0x60) ?? 0) & 0x2000 != 0
            return .crc32c(isNoted ? block.little(UInt32.self, at: 0x270) ?? 0 : CRC32.ceph(uuid))
        }
        return readOnly & 0x10 != 0 ? .crc16(crc16(uuid, from: 0xFFFF)) : .none
    }

    private static func crc16(_ bytes: some Sequence<UInt8>, from initial: UInt16) -> UInt16 {
        bytes.reduce(initial) { register, byte in
            (0..<8).reduce(register ^ UInt16(byte)) { value, _ in value & 1 == 0 ? value >> 1 : (value >> 1) ^ 0xA001 }
        }
    }

    /// Whether a group begins with a copy of the super block.
    private static func hasSuperblock(_ group: UInt64, _ block: [UInt8]) -> Bool {
        if group == 0 { return true }
        if (block.little(UInt32.self, at: 0x5C) ?? 0) & 0x200 != 0 {
            return [0x24C, 0x250].contains { UInt64(block.little(UInt32.self, at: $0) ?? 0) == group }
        }
        guard (block.little(UInt32.self, at: 0x64) ?? 0) & 0x1 != 0, group > 1 else { return true }
        return [3, 5, 7].contains { base in
            var power = base
            while power < group { power *= base }
            return power == group
        }
    }

    private static func otherCopy(_ found: ExtSuperblock, _ block: [UInt8]) -> String? {
        guard let group = (1..<max(1, min(groups(found), 1 << 20))).first(where: { hasSuperblock($0, block) }) else {
            return nil
        }
        return "-b \(found.firstDataBlock + group * found.groupBlocks) -B \(found.blockBytes)"
    }

    private static func read(
        _ device: borrowing OwnedDescriptor,
        at offset: UInt64,
        count: Int,
        end: UInt64
    ) throws(KernelError) -> [UInt8] {
        let start = offset & ~4095
        guard start < end else { return [] }
        let skipped = Int(offset - start)
        let buffer = AlignedBuffer(count: skipped + count)
        let wanted = Int(min(UInt64(buffer.count), end - start))
        let done = try device.readBlocks(into: buffer, count: wanted, at: start)
        guard done > skipped else { return [] }
        return Array(buffer.copy(skipped..<min(done, skipped + count)))
    }
}
