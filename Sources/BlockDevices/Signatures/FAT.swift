/// FAT12, FAT16 and FAT32, as mkfs.fat and Windows mark them.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let fat = Format(
        "vfat",
        .fileSystem,
        Magic("MSWIN", at: 82),
        Magic("FAT32   ", at: 82),
        Magic("MSDOS", at: 54),
        Magic("FAT16   ", at: 54),
        Magic("FAT12   ", at: 54),
        Magic("FAT     ", at: 54)
    )
}
