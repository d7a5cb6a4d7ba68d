/// DRBD with internal metadata, versions 8.0, 8.4 and 9.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let drbd = Format(
        "drbd",
        .raid,
        Magic([0x83, 0x74, 0x02, 0x6B], beforeEnd: 0xFC4),
        Magic([0x83, 0x74, 0x02, 0x6C], beforeEnd: 0xFC4),
        Magic([0x83, 0x74, 0x02, 0x6D], beforeEnd: 0xFC4)
    )
}
