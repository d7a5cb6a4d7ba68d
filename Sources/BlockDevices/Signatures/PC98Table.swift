/// A disk label of NEC's PC-98: a boot sector with 55 AA, and its name at 4.
///
/// libblkid calls it a table of DOS. See: parted libparted/labels/pc98.c.
extension Format {
    static let pc98Table = Format("pc98", .partitionTable, Magic("IPL1", at: 4)) { device in
        device.bytes(510, 2) == [0x55, 0xAA]
    }
}
