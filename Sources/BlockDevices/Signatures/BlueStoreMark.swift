/// A Ceph OSD: the label that starts its block, db or wal device.
///
/// See: ceph src/os/bluestore/BlueStore.cc, `bluestore_bdev_label_t`.
extension Format {
    static let blueStore = Format("ceph_bluestore", .ceph, Magic("bluestore block device", at: 0))
}
