/// HighPoint 37x, near the beginning.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let highPoint37x = Format(
        "hpt37x_raid_member",
        .raid,
        Magic([0xF0, 0x16, 0x78, 0x5A], at: 0x1220),
        Magic([0xFD, 0x16, 0x78, 0x5A], at: 0x1220)
    )
}
