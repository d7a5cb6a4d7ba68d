/// What a block device holds, as far as its first and last bytes tell.
public enum DeviceContent: Sendable, Hashable, CustomStringConvertible {
    /// Nothing but zeros where anything would have left a mark.
    case blank
    /// Something by its name.
    case known(Signature)
    /// Something that has no name here; the first byte that is not zero stands at this offset.
    case unknown(offset: UInt64)

    /// For a person: `ext4`, `data of an unknown kind at byte 8192`.
    public var description: String {
        switch self {
        case .blank: "nothing"
        case .known(let signature): signature.rawValue
        case .unknown(let offset): "data of an unknown kind at byte \(offset)"
        }
    }
}

/// What we know by the marks it leaves on a device.
public enum Signature: String, Sendable, Hashable, CaseIterable {
    /// A file system of the ext family without a journal.
    case ext2
    /// A file system of the ext family with a journal and nothing newer.
    case ext3
    /// A file system of the ext family with extents or other newer features.
    case ext4
    /// XFS.
    case xfs
    /// Btrfs.
    case btrfs
    /// A LUKS volume of version 1.
    case luks1 = "LUKS1"
    /// A LUKS volume of version 2.
    case luks2 = "LUKS2"
    /// A physical volume of LVM.
    case lvm2 = "LVM2 physical volume"
    /// Swap space.
    case swap
    /// A GUID partition table.
    case gpt = "GPT partition table"
    /// A partition table in a master boot record, or a boot sector.
    case mbr = "MBR partition table"
    /// A Ceph OSD's block device.
    case blueStore = "Ceph BlueStore"
    /// A member of a ZFS pool.
    case zfs = "ZFS member"
    /// A bcache device.
    case bcache
    /// A member of a Linux software RAID.
    case mdRAID = "Linux RAID member"
    /// F2FS.
    case f2fs
    /// An NTFS file system.
    case ntfs = "NTFS"
    /// A FAT or exFAT file system.
    case fat = "FAT"
    /// SquashFS.
    case squashfs
    /// An ISO 9660 image.
    case iso9660 = "ISO 9660"
    /// A DRBD device with internal metadata.
    case drbd = "DRBD"
}
