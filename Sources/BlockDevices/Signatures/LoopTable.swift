/// parted's label of a disk without partitions.
///
/// Only parted reads it. See: parted libparted/labels/loop.c.
extension Format {
    static let loopTable = Format("loop", .partitionTable, Magic("GNU Parted Loopback 0", at: 0))
}
