internal import CLinux
internal import ExactText
internal import Glibc
internal import SystemPackage

/// A loop device: a file as a block device.
///
/// See: loop(4).
public struct LoopDevice: Sendable, Hashable, CustomStringConvertible {
    /// N of `/dev/loopN`.
    public let number: Int

    /// Names a loop device, whether it exists or not.
    public init(number: Int) { self.number = number }

    /// Reads `/dev/loopN`.
    public init?(path: String) {
        guard path.startsExactly(with: "/dev/loop"), let number = Int(path.dropFirst(9)) else { return nil }
        self.init(number: number)
    }

    /// Such as `/dev/loop3`.
    public var path: String { "/dev/loop\(number)" }

    /// The path.
    public var description: String { path }

    /// The device's number: 7 and the number.
    public var device: DeviceNumber { DeviceNumber(major: 7, minor: UInt32(number)) }

    /// Attaches the file `backing` to a free device, with direct I/O and sectors of 512 bytes.
    ///
    /// Implements `LOOP_CTL_GET_FREE` and `LOOP_CONFIGURE`; another process may take the free device first, so it
    /// tries. Direct I/O keeps the pages of the volume out of the page cache of the file: one cache, and no dirty
    /// page that only the file's server can clean.
    public static func attach(backing path: String, isReadOnly: Bool) throws(KernelError) -> LoopDevice {
        let backing = try OwnedDescriptor(opening: path, isReadOnly ? O_RDONLY : O_RDWR)
        let control = try OwnedDescriptor(opening: "/dev/loop-control", O_RDWR)
        var attempts = 0
        while true {
            let number = try accepted("LOOP_CTL_GET_FREE", "loop-control", clinux_loop_get_free(control.rawValue))
            let loop = LoopDevice(number: Int(number))
            try loop.makeNode()
            let descriptor = try OwnedDescriptor(opening: loop.path, isReadOnly ? O_RDONLY : O_RDWR)
            let name = String(path.suffix(60))
            let flag: CInt = isReadOnly ? 1 : 0
            let result = clinux_loop_configure(descriptor.rawValue, backing.rawValue, 512, flag, name)
            attempts += 1
            if result == -EBUSY, attempts < 64 { continue }
            try accepted("LOOP_CONFIGURE", loop.path, result)
            return loop
        }
    }

    /// Takes over the size of the backing file.
    ///
    /// Implements `LOOP_SET_CAPACITY`.
    public func updateCapacity() throws(KernelError) {
        let descriptor = try OwnedDescriptor(opening: path, O_RDONLY)
        try accepted("LOOP_SET_CAPACITY", path, clinux_loop_set_capacity(descriptor.rawValue))
    }

    /// Detaches the backing file, at once or when the last user closes the device; succeeds if there is none.
    ///
    /// Implements `LOOP_CLR_FD`.
    public func detach() throws(KernelError) {
        let descriptor = try OwnedDescriptor(opening: path, O_RDONLY)
        let result = clinux_loop_clear(descriptor.rawValue)
        if result == -ENXIO { return }
        try accepted("LOOP_CLR_FD", path, result)
    }

    /// Whether the device bypasses the page cache of its file.
    ///
    /// Implements `LOOP_GET_STATUS64`. Asks the backing file's server: blocks when that does not answer.
    public func usesDirectIO() throws(KernelError) -> Bool {
        let descriptor = try OwnedDescriptor(opening: path, O_RDONLY)
        var inode: UInt64 = 0
        var flags: UInt32 = 0
        try accepted("LOOP_GET_STATUS64", path, clinux_loop_status(descriptor.rawValue, &inode, &flags))
        return flags & CLINUX_LO_FLAGS_DIRECT_IO != 0
    }

    /// A container's /dev is static.
    private func makeNode() throws(KernelError) {
        guard try FileKind.of(path) == nil else { return }
        let result = mknod(path, S_IFBLK | 0o600, dev_t(device.rawValue))
        if result != 0, errno == EEXIST { return }
        try checked("mknod", path, result)
    }
}
