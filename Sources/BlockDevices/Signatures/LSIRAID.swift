/// LSI MegaRAID, in the last sector.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let lsiRAID = Format(
        "lsi_mega_raid_member",
        .raid,
        Magic([0x24, 0x58, 0x49, 0x44, 0x45, 0x24], beforeEnd: 512)
    )
}
