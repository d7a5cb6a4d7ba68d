/// The copies of a BlueStore label at 1, 10, 100 and 1000 GiB, which blkid, ceph-volume and Rook do not read.
///
/// See: ceph pull request 55374, in 19.2.1.
extension Format {
    static let blueStoreCopies = Format("ceph_bluestore_copy", .ceph) { device in
        BlueStoreLabel.positions.dropFirst().compactMap { Magic(BlueStoreLabel.magic, at: $0).mark(on: device) }
    }

    /// The super block of BlueFS on a main or db device.
    static let blueFS = Format("ceph_bluefs", .ceph, minimumBytes: 8192) { device in
        guard BlueFSSuperblock(device.source) != nil else { return [] }
        return [Mark(BlueFSSuperblock.offset, BlueStoreLabel.blockBytes)]
    }
}
