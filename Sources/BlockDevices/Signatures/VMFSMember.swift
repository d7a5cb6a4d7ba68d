/// A member of a VMFS volume.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let vmfsMember = Format("VMFS_volume_member", .raid, Magic([0x0D, 0xD0, 0x01, 0xC0], at: 0x100000))
}
