/// Btrfs: super blocks at 64 KiB, 64 MiB and 256 GiB; blkid reads only the first.
///
/// See: btrfs-progs kernel-shared/disk-io.h, `btrfs_sb_offset`.
extension Format {
    static let btrfs = Format(
        "btrfs",
        .fileSystem,
        Magic("_BHRfS_M", at: 0x10040),
        Magic("_BHRfS_M", at: 0x400_0040),
        Magic("_BHRfS_M", at: 0x40_0000_0040)
    )
}
