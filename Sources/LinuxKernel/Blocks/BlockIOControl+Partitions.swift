internal import CLinux
internal import Glibc
internal import SystemPackage

/// The kernel's partitions, and a device's identity.
extension BlockIOControl {
    /// Opens a device with the flags of open(2); never creates anything.
    public init(opening path: String, flags: Int32) throws(KernelError) {
        self.init(descriptor: try OwnedDescriptor(opening: path, flags & ~O_CREAT))
    }

    /// The physical sector size, in bytes.
    ///
    /// Implements `BLKPBSZGET`.
    public borrowing func physicalSectorBytes() throws(KernelError) -> Int {
        var bytes: UInt32 = 0
        let result = clinux_block_physical_sector_bytes(descriptor.rawValue, &bytes)
        try accepted("BLKPBSZGET", descriptor.subject, result)
        return Int(bytes)
    }

    /// A number that is unique until the next boot, even if a name is reused.
    ///
    /// Implements `BLKGETDISKSEQ`, Linux 5.15.
    public borrowing func diskSequence() throws(KernelError) -> UInt64 {
        var sequence: UInt64 = 0
        try accepted("BLKGETDISKSEQ", descriptor.subject, clinux_block_disk_sequence(descriptor.rawValue, &sequence))
        return sequence
    }

    /// Makes the kernel read the partition table again.
    ///
    /// Implements `BLKRRPART`: EBUSY while a partition is in use, EINVAL where there can be none.
    public borrowing func rereadPartitionTable() throws(KernelError) {
        try accepted("BLKRRPART", descriptor.subject, clinux_block_reread_partitions(descriptor.rawValue))
    }

    /// Adds a partition to the kernel; `start` and `length` in bytes.
    ///
    /// Implements `BLKPG_ADD_PARTITION`.
    public borrowing func addPartition(number: Int, start: UInt64, length: UInt64) throws(KernelError) {
        let result = clinux_block_add_partition(descriptor.rawValue, CInt(clamping: number), start, length)
        try accepted("BLKPG_ADD_PARTITION", descriptor.subject, result)
    }

    /// Changes the length of a partition that the kernel knows, also while it is in use; in bytes.
    ///
    /// Implements `BLKPG_RESIZE_PARTITION`.
    public borrowing func resizePartition(number: Int, start: UInt64, length: UInt64) throws(KernelError) {
        let result = clinux_block_resize_partition(descriptor.rawValue, CInt(clamping: number), start, length)
        try accepted("BLKPG_RESIZE_PARTITION", descriptor.subject, result)
    }

    /// Removes a partition from the kernel; false if it had none of that number.
    ///
    /// Implements `BLKPG_DEL_PARTITION`: EBUSY while it is open.
    @discardableResult
    public borrowing func deletePartition(number: Int) throws(KernelError) -> Bool {
        let result = clinux_block_delete_partition(descriptor.rawValue, CInt(clamping: number))
        if result == -ENXIO { return false }
        try accepted("BLKPG_DEL_PARTITION", descriptor.subject, result)
        return true
    }

    /// Discards securely; few devices support it.
    ///
    /// Implements `BLKSECDISCARD`.
    public borrowing func secureDiscard(offset: UInt64, length: UInt64) throws(KernelError) {
        let result = clinux_block_secure_discard(descriptor.rawValue, offset, length)
        try accepted("BLKSECDISCARD", descriptor.subject, result)
    }

    /// The number of the opened device, even if its path means another one now; `nil` for a file.
    public borrowing func deviceNumber() -> DeviceNumber? { DevicePath.blockDevice(of: descriptor) }

    /// Waits until everything written is on the medium.
    ///
    /// Implements `fsync`.
    public borrowing func synchronize() throws(KernelError) {
        try checked("fsync", descriptor.subject, fsync(descriptor.rawValue))
    }
}

extension OwnedDescriptor {
    /// Whether another opener holds a write lock on it, as a running ceph-osd does on its device.
    ///
    /// Implements `F_OFD_GETLK`.
    public borrowing func isWriteLocked() -> Bool { clinux_is_write_locked(rawValue) == 1 }
}
