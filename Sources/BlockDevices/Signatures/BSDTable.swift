/// A BSD disk label.
///
/// See: util-linux libblkid/src/partitions.
extension Format {
    static let bsdTable = Format(
        "bsd",
        .partitionTable,
        Magic([0x57, 0x45, 0x56, 0x82], at: 512),
        Magic([0x57, 0x45, 0x56, 0x82], at: 64),
        Magic([0x57, 0x45, 0x56, 0x82], at: 128)
    )
}
