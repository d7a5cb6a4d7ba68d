/// The marks that we know, and where they stand.
///
/// Order matters: a GPT disk has an MBR too, and containers are named before what may have been in them.
enum SignatureCatalog {
    static func signature(first: [UInt8], last: [UInt8]) -> Signature? {
        let marks = Marks(first: first, last: last)
        if let signature = simple.first(where: { marks.holds($0.magic, at: $0.offset) })?.signature { return signature }
        return ext(marks) ?? lvm(marks) ?? zfs(marks) ?? backupGPT(marks) ?? raid(marks) ?? drbd(marks) ?? mbr(marks)
    }

    private struct Mark {
        let signature: Signature
        let offset: Int
        let magic: [UInt8]

        init(_ signature: Signature, _ offset: Int, _ text: String) {
            self.init(signature, offset, Array(text.utf8))
        }

        init(_ signature: Signature, _ offset: Int, _ magic: [UInt8]) {
            self.signature = signature
            self.offset = offset
            self.magic = magic
        }
    }

    private static let luks: [UInt8] = [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE]

    private static let simple: [Mark] = [
        Mark(.blueStore, 0, "bluestore block device\n"),
        Mark(.luks1, 0, luks + [0, 1]),
        Mark(.luks2, 0, luks + [0, 2]),
        // The second LUKS2 header, when the first was wiped.
        Mark(.luks2, 0x4000, [0x53, 0x4B, 0x55, 0x4C, 0xBA, 0xBE]),
        Mark(.gpt, 512, "EFI PART"),
        Mark(.gpt, 4096, "EFI PART"),
        Mark(.xfs, 0, "XFSB"),
        Mark(.btrfs, 0x10040, "_BHRfS_M"),
        Mark(.swap, 4086, "SWAPSPACE2"),
        Mark(.swap, 4086, "SWAP-SPACE"),
        Mark(.swap, 65526, "SWAPSPACE2"),
        Mark(
            .bcache,
            4096 + 24,
            [0xC6, 0x85, 0x73, 0xF6, 0x4E, 0x1A, 0x45, 0xCA, 0x82, 0x65, 0xF5, 0x7F, 0x48, 0xBA, 0x6D, 0x81]
        ),
        Mark(.mdRAID, 0, [0xFC, 0x4E, 0x2B, 0xA9]),
        Mark(.mdRAID, 4096, [0xFC, 0x4E, 0x2B, 0xA9]),
        Mark(.f2fs, 1024, [0x10, 0x20, 0xF5, 0xF2]),
        Mark(.ntfs, 3, "NTFS    "),
        Mark(.fat, 54, "FAT1"),
        Mark(.fat, 82, "FAT32"),
        Mark(.fat, 3, "EXFAT   "),
        Mark(.squashfs, 0, "hsqs"),
        Mark(.iso9660, 0x8001, "CD001"),
    ]

    private struct Marks {
        let first: [UInt8]
        let last: [UInt8]

        func holds(_ magic: [UInt8], at offset: Int) -> Bool {
            first.count >= offset + magic.count && first[offset..<(offset + magic.count)].elementsEqual(magic)
        }

        /// Counts `distance` from the end.
        func endHolds(_ magic: [UInt8], distance: Int) -> Bool {
            let all = last.isEmpty ? first : last
            let offset = all.count - distance
            return offset >= 0 && offset + magic.count <= all.count
                && all[offset..<(offset + magic.count)].elementsEqual(magic)
        }

        func word(_ offset: Int) -> UInt32 {
            guard first.count >= offset + 4 else { return 0 }
            return (0..<4).reduce(0) { $0 | UInt32(first[offset + $1]) << (8 * UInt32($1)) }
        }
    }

    /// The super block stands at 1024; what kind it is follows from its feature words, as blkid sees them.
    private static func ext(_ marks: Marks) -> Signature? {
        guard marks.holds([0x53, 0xEF], at: 1024 + 56) else { return nil }
        let (compatible, incompatible, readOnly) = (
            marks.word(1024 + 92), marks.word(1024 + 96), marks.word(1024 + 100)
        )
        // Beyond filetype, recover, journal_dev and meta_bg; beyond sparse_super, large_file and btree_dir.
        if incompatible & ~0x1E != 0 || readOnly & ~0x7 != 0 { return .ext4 }
        return compatible & 0x4 != 0 ? .ext3 : .ext2
    }

    /// One of the first four sectors.
    private static func lvm(_ marks: Marks) -> Signature? {
        (0..<4).contains { marks.holds(Array("LABELONE".utf8), at: $0 * 512) } ? .lvm2 : nil
    }

    /// Uberblocks of the four labels, in either byte order.
    private static func zfs(_ marks: Marks) -> Signature? {
        let little: [UInt8] = [0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0]
        let big = Array(little.reversed())
        for label in [0, 256 << 10] {
            for offset in stride(from: label + (128 << 10), to: label + (256 << 10), by: 1024)
            where marks.holds(little, at: offset) || marks.holds(big, at: offset) {
                return .zfs
            }
        }
        for distance in stride(from: 1024, through: 512 << 10, by: 1024)
        where marks.endHolds(little, distance: distance) || marks.endHolds(big, distance: distance) {
            return .zfs
        }
        return nil
    }

    private static func backupGPT(_ marks: Marks) -> Signature? {
        let magic = Array("EFI PART".utf8)
        return marks.endHolds(magic, distance: 512) || marks.endHolds(magic, distance: 4096) ? .gpt : nil
    }

    /// Metadata 0.90 stands 64 to 128 KiB before the end, 1.0 8 to 12 KiB before it.
    private static func raid(_ marks: Marks) -> Signature? {
        let magic: [UInt8] = [0xFC, 0x4E, 0x2B, 0xA9]
        let distances = Array(stride(from: 64 << 10, through: 128 << 10, by: 4096)) + [8192, 12288]
        return distances.contains { marks.endHolds(magic, distance: $0) } ? .mdRAID : nil
    }

    /// The magic of internal metadata, big endian, in the last 4 KiB.
    private static func drbd(_ marks: Marks) -> Signature? {
        let magics: [[UInt8]] = [[0x83, 0x74, 0x02, 0x6B], [0x83, 0x74, 0x02, 0x6C], [0x83, 0x74, 0x02, 0x6D]]
        return magics.contains { marks.endHolds($0, distance: 4096 - 60) } ? .drbd : nil
    }

    private static func mbr(_ marks: Marks) -> Signature? {
        marks.holds([0x55, 0xAA], at: 510) ? .mbr : nil
    }
}
