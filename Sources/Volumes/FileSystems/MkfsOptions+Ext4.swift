internal import ExactText

extension MkfsOptions {
    /// mke2fs's.
    static let ext4 = Rules(
        letters: "b:ce:g:i:jl:m:no:qr:s:t:d:vC:DE:FG:I:J:KL:M:N:O:R:ST:U:Vz:",
        allowed: [
            "b": .oneOf(["1024", "2048", "4096"]), "C": .number, "D": .flag,
            "e": .oneOf(["continue", "remount-ro"]),
            "E": .list(extended), "R": .list(extended), "g": .number, "G": .number, "i": .number, "I": .number,
            "j": .flag, "J": .list(["size", "fast_commit_size"]), "K": .flag, "L": .word, "m": .number, "N": .number,
            "O": .oneOf(features), "q": .flag, "t": .oneOf(["ext4"]),
            "T": .oneOf(["ext4", "default", "floppy", "small", "big", "huge", "news", "largefile", "largefile4"]),
            "U": .oneOf(["random", "time"]), "v": .flag,
        ],
        refused: [
            "F": "would overwrite what is there: whether that may be, nacre decides by what it finds",
            "n": "makes no file system, it only shows what it would do", "S": "makes no file system, only super blocks",
            "V": "makes no file system, it only shows a version", "d": "copies files of the node into the volume",
            "z": "writes a file on the node", "l": "reads a file of the node",
            "c": "reads the whole volume for bad blocks, which Ceph has none of",
            "M": "names a directory of the node", "o": "makes a file system for another system",
            "r": "makes a file system of an old revision",
            "s": "makes a file system of an old revision",
        ]
    )

    private static let extended: Set<String> = [
        "stride", "stripe_width", "stripe-width", "resize", "lazy_itable_init", "lazy_journal_init",
        "assume_storage_prezeroed", "packed_meta_blocks", "num_backup_sb", "root_owner", "discard", "nodiscard",
        "hash_seed", "orphan_file_size", "mmp_update_interval", "encoding", "encoding_flags", "quotatype",
    ]

    /// All but `journal_dev`, which creates a journal for another file system.
    private static let features: Set<String> = {
        let names = [
            "64bit", "bigalloc", "casefold", "dir_index", "dir_nlink", "ea_inode", "encrypt", "ext_attr", "extent",
            "extents", "extra_isize", "fast_commit", "filetype", "flex_bg", "has_journal", "huge_file", "inline_data",
            "large_dir", "large_file", "metadata_csum", "metadata_csum_seed", "meta_bg", "mmp", "orphan_file",
            "project",
            "quota", "resize_inode", "sparse_super", "stable_inodes", "uninit_bg", "verity",
        ]
        return Set(names + names.map { "^\($0)" } + ["none"])
    }()

    /// Why mke2fs would refuse on the node what it takes in a trial, which does not get that far; or nothing.
    ///
    /// See: lib/ext2fs/ext2_fs.h, `EXT4_MMP_MAX_UPDATE_INTERVAL`.
    static func refusalExt4(_ options: [ToolOptions.Option]) -> String? {
        for option in options where option.letter == "E" || option.letter == "R" {
            guard option.numbers("mmp_update_interval").contains(where: { $0.value > 300 }) else { continue }
            return "'\(option.text.printable)' has an mmp_update_interval above 300 s, which mkfs.ext4 refuses"
        }
        return nil
    }

    /// mke2fs needs room for at least twice the journal, whose size is given in MiB.
    static func smallestExt4(_ options: [ToolOptions.Option]) -> UInt64 {
        let sizes = options.filter { $0.letter == "J" }.flatMap { $0.numbers("size") }.compactMap(\.plain)
        guard let largest = sizes.max(), largest > 0, largest <= 10_240 * 1024 else { return 2 << 20 }
        // Half of its free blocks; the tables need space in addition.
        return max(2 << 20, (largest * 9 / 4 + 8) << 20)
    }

    /// 2^20 block groups, which is 128 TiB with blocks of 4 KiB; and 2^32 - 1 blocks without 64bit.
    ///
    /// A node grows a file system to no more than that, so none is made larger either (`GrowthLimit`).
    static func largestExt4(_ options: [ToolOptions.Option]) -> UInt64 {
        func number(_ letter: Character) -> UInt64? {
            options.last { $0.letter == letter }?.value.flatMap(ToolNumber.init)?.bytes(["s": 512])
        }
        // mke2fs.conf(5): two usage types have blocks of their own; what the node's says, a trial finds out.
        let types = options.filter { $0.letter == "T" }.flatMap { ($0.value ?? "").parts(at: ",") }
        let block = number("b") ?? (types.contains("small") || types.contains("floppy") ? 1024 : 4096)
        let features = options.filter { $0.letter == "O" }.flatMap { ($0.value ?? "").parts(at: ",") }
        let isClustered = features.last { $0 == "bigalloc" || $0 == "^bigalloc" } == "bigalloc"
        let cluster = isClustered ? number("C") ?? block * 16 : block
        let group = min(number("g") ?? block * 8, block * 8).multipliedReportingOverflow(by: cluster)
        let byGroups = group.partialValue.multipliedReportingOverflow(by: 1 << 20)
        let limit = group.overflow || byGroups.overflow ? UInt64.max : byGroups.partialValue
        let has64Bit = features.last { $0 == "64bit" || $0 == "^64bit" || $0 == "none" } ?? "64bit"
        return has64Bit == "64bit" ? limit : min(limit, block * UInt64(UInt32.max))
    }
}
