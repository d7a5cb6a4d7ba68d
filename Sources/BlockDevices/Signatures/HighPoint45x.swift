/// HighPoint 45x, eleven sectors before the end.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let highPoint45x = Format(
        "hpt45x_raid_member",
        .raid,
        Magic([0xF3, 0x16, 0x78, 0x5A], beforeEnd: 0x1600),
        Magic([0xFD, 0x16, 0x78, 0x5A], beforeEnd: 0x1600)
    )
}
