internal import ExactText

/// The mount options that a class or a volume may have: those that affect only one mount of ext4 or xfs.
///
/// `dev` and `suid` are Kubernetes' defaults and stay. Unknown options are refused: one may name another device or a
/// file of the node, change another mount, or let a damaged volume crash its node.
///
/// See: mount(8), ext4(5), xfs(5); Documentation/filesystems/ext4, /xfs of Linux 6.12.
public enum MountFlags {
    /// Why a list of mount options is not allowed, or `nil` if it is.
    ///
    /// - Parameters:
    ///   - flags: Each may be several, separated by commas.
    ///   - fileSystem: `ext4`, `xfs`, or empty for either.
    ///   - isMade: Whether the volume exists already. Options that an earlier release allowed, and that can harm only
    ///     that volume, are then accepted, because a PersistentVolume's options cannot be changed.
    /// - Returns: What is wrong, and what to do.
    public static func refusal(of flags: [String], on fileSystem: String, isMade: Bool = false) -> String? {
        for option in flags.flatMap({ $0.parts(at: ",", omittingEmpty: true) }) {
            let name = String(option.prefix { $0 != "=" })
            guard option.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                return
                    "mount option '\(option.printable)' holds a blank or a character that is not ASCII; correct it"
            }
            if isMade, careless.contains(option) { continue }
            if let reason = reasons[name] {
                return "mount option '\(option.printable)' \(reason); leave it out"
            }
            if option == "barrier=0" {
                return "mount option '\(option)' loses in a crash what was committed; leave it out"
            }
            if name == "errors", !["errors=continue", "errors=remount-ro"].contains(option) {
                return "mount option '\(option.printable)' would take the node down with a damaged volume; use "
                    + "errors=remount-ro"
            }
            // For programs in user space that read fstab.
            guard !name.startsExactly(with: "x-"), !name.startsExactly(with: "X-"), !name.startsExactly(with: "comment")
            else { continue }
            let known = general.union(fileSystem == "xfs" ? [] : ext4).union(fileSystem == "ext4" ? [] : xfs)
            guard known.contains(name) else {
                return "mount option '\(option.printable)' is not one that may be given"
                    + "\(fileSystem.isEmpty ? "" : " for \(fileSystem)"); leave it out"
            }
        }
        return nil
    }

    private static let careless: Set<String> = ["noload", "norecovery", "nobarrier", "barrier=0"]

    private static let reasons: [String: String] = {
        let other = "names another device or file"
        let none = "is none of a volume's"
        var reasons: [String: String] = [:]
        for name in [
            "journal_dev", "journal_path", "logdev", "rtdev", "usrjquota", "grpjquota", "loop", "offset", "sizelimit",
        ] {
            reasons[name] = other
        }
        for name in [
            "bind", "rbind", "move", "remount", "private", "rprivate", "shared", "rshared", "slave", "rslave",
            "unbindable", "runbindable",
        ] { reasons[name] = none }
        reasons["sb"] = "mounts by an old copy of the super block"
        for name in ["noload", "norecovery"] {
            reasons[name] = "leaves the journal aside, and with it what was committed"
        }
        for name in ["abort", "fstest", "test_dummy_encryption"] { reasons[name] = "is for tests of the kernel" }
        reasons["nobarrier"] = "loses in a crash what was committed"
        return reasons
    }()

    private static let general: Set<String> = [
        "defaults", "ro", "rw", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime",
        "nostrictatime", "lazytime", "nolazytime", "sync", "async", "dirsync", "suid", "nosuid", "dev", "nodev", "exec",
        "noexec", "mand", "nomand", "silent", "loud", "iversion", "noiversion", "nosymfollow", "symfollow", "auto",
        "noauto",
        "user", "nouser", "nofail", "_netdev", "context", "fscontext", "defcontext", "rootcontext", "acl", "noacl",
        "user_xattr", "nouser_xattr", "discard", "nodiscard", "grpid", "nogrpid", "bsdgroups", "sysvgroups", "quota",
        "noquota", "usrquota", "grpquota", "prjquota", "dax", "inlinecrypt",
    ]
    private static let ext4: Set<String> = [
        "barrier", "data", "commit", "errors", "delalloc", "nodelalloc", "journal_checksum", "nojournal_checksum",
        "journal_ioprio",
        "journal_async_commit", "stripe", "max_batch_time", "min_batch_time", "auto_da_alloc", "noauto_da_alloc",
        "dioread_lock", "dioread_nolock", "nodioread_nolock", "max_dir_size_kb", "i_version", "init_itable",
        "noinit_itable",
        "inode_readahead_blks", "nombcache", "no_mbcache", "mb_optimize_scan", "jqfmt", "resuid", "resgid", "minixdf",
        "bsddf", "block_validity", "noblock_validity", "orlov", "oldalloc", "debug", "nouid32", "data_err",
        "prefetch_block_bitmaps", "no_prefetch_block_bitmaps",
    ]
    private static let xfs: Set<String> = [
        "allocsize", "attr2", "noattr2", "filestreams", "ikeep", "noikeep", "inode32", "inode64", "largeio",
        "nolargeio",
        "logbufs", "logbsize", "noalign", "nouuid", "sunit", "swidth", "swalloc", "wsync", "uquota", "gquota", "pquota",
        "uqnoenforce", "gqnoenforce", "pqnoenforce", "qnoenforce", "lifetime", "nolifetime", "max_atomic_write",
    ]
}
