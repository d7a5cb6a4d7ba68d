/// The mark of `ceph-volume lvm zap --replace-block`: the disk is about to be replaced.
///
/// See: ceph-volume util/device.py.
extension Format {
    static let cephReplacement = Format("ceph_replacement", .ceph, Magic("CEPH_DEVICE_BEING_REPLACED", at: 0))
}
