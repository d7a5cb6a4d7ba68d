internal import CLinux
internal import Glibc
internal import SystemPackage

/// What block devices do on request.
public struct BlockIOControl: ~Copyable, Sendable {
    /// The open device.
    public let descriptor: OwnedDescriptor

    /// Takes over a device that is open.
    public init(descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }

    /// Opens a device, read-only unless told.
    public init(opening path: String, writable: Bool = false) throws(KernelError) {
        descriptor = try OwnedDescriptor(opening: path, writable ? O_RDWR : O_RDONLY)
    }

    /// Waits until no process has the device open exclusively: no mount, no mkfs.
    ///
    /// See: open(2), `O_EXCL` on block devices. Throws EBUSY after `limit`.
    public static func waitUntilUnused(_ path: String, for limit: Duration) throws(KernelError) {
        _ = try exclusively(path, within: limit)
    }

    /// Opens a device exclusively, as soon as no other process has it open exclusively.
    ///
    /// See: open(2), `O_EXCL` on block devices. Throws EBUSY after `limit`.
    public static func exclusively(_ path: String, within limit: Duration) throws(KernelError) -> OwnedDescriptor {
        let deadline = ContinuousClock.now + limit
        while true {
            do throws(KernelError) {
                return try OwnedDescriptor(opening: path, O_RDONLY | O_EXCL)
            } catch {
                guard error.errno == .resourceBusy, .now < deadline else { throw error }
                usleep(20_000)
            }
        }
    }

    /// The size now, in bytes.
    ///
    /// Implements `BLKGETSIZE64`.
    public borrowing func sizeBytes() throws(KernelError) -> UInt64 {
        var bytes: UInt64 = 0
        try accepted("BLKGETSIZE64", descriptor.subject, clinux_block_size_bytes(descriptor.rawValue, &bytes))
        return bytes
    }

    /// Whether the device refuses writes.
    ///
    /// Implements `BLKROGET`.
    public borrowing func isReadOnly() throws(KernelError) -> Bool {
        var flag: CInt = 0
        try accepted("BLKROGET", descriptor.subject, clinux_block_is_read_only(descriptor.rawValue, &flag))
        return flag != 0
    }

    /// The unit of direct I/O, in bytes.
    ///
    /// Implements `BLKSSZGET`.
    public borrowing func logicalSectorBytes() throws(KernelError) -> Int {
        var bytes: CInt = 0
        let result = clinux_block_logical_sector_bytes(descriptor.rawValue, &bytes)
        try accepted("BLKSSZGET", descriptor.subject, result)
        return Int(bytes)
    }

    /// Flushes and drops the device's page cache.
    ///
    /// Implements `BLKFLSBUF`.
    public borrowing func flushBuffers() throws(KernelError) {
        try accepted("BLKFLSBUF", descriptor.subject, clinux_block_flush_buffers(descriptor.rawValue))
    }

    /// Makes a range read as zeros, by deallocation if the device supports it.
    ///
    /// Implements `BLKZEROOUT`.
    public borrowing func zeroOut(offset: UInt64, length: UInt64) throws(KernelError) {
        let result = clinux_block_zero_out(descriptor.rawValue, offset, length)
        try accepted("BLKZEROOUT", descriptor.subject, result)
    }

    /// Discards a range; what it reads as afterwards is undefined.
    ///
    /// Implements `BLKDISCARD`.
    public borrowing func discard(offset: UInt64, length: UInt64) throws(KernelError) {
        let result = clinux_block_discard(descriptor.rawValue, offset, length)
        try accepted("BLKDISCARD", descriptor.subject, result)
    }
}
