/// NVIDIA MediaShield, in the last sector but one.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let nvidiaRAID = Format(
        "nvidia_raid_member",
        .raid,
        Magic([0x4E, 0x56, 0x49, 0x44, 0x49, 0x41, 0x20, 0x20], beforeEnd: 0x400)
    )
}
