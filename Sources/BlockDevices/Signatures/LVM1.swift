/// A physical volume of the first LVM: its letters and its version.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let lvm1 = Format("LVM1_member", .raid, Magic("HM\u{1}\0", at: 0), Magic("HM\u{2}\0", at: 0))
}
