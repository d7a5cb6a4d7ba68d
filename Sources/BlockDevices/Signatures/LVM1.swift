/// A physical volume of the first LVM.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let lvm1 = Format("LVM1_member", .raid, Magic("HM\u{1}", at: 0), Magic("HM\u{2}", at: 0))
}
