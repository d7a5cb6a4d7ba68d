internal import ExactText
internal import Glibc
internal import SystemPackage

/// A network block device of the kernel's.
public struct NBDDevice: Sendable, Hashable, Codable, CustomStringConvertible {
    /// N of `/dev/nbdN`.
    public let index: Int

    /// Names a device, whether it exists or not.
    public init(index: Int) { self.index = index }

    /// Such as `/dev/nbd3`.
    public var path: String { "/dev/\(name)" }

    /// Such as `nbd3`.
    public var name: String { "nbd\(index)" }

    /// The path.
    public var description: String { path }

    /// Its number, as sysfs has it: minors are spread to leave room for partitions.
    public func number(in sysfs: Sysfs = Sysfs()) throws(KernelError) -> DeviceNumber {
        guard let number = KernelFile.firstLine("\(sysfs.root)/block/\(name)/dev").flatMap(DeviceNumber.init(parsing:))
        else { throw KernelError("open", .noSuchFileOrDirectory, "\(sysfs.root)/block/\(name)/dev") }
        return number
    }

    /// Creates its node in a container with a static /dev.
    public func makeNode() throws(KernelError) {
        guard try FileKind.of(path) == nil else { return }
        let result = mknod(path, S_IFBLK | 0o600, dev_t(try number().rawValue))
        if result != 0, errno == EEXIST { return }
        try checked("mknod", path, result)
    }
}

extension Sysfs {
    /// The connected devices, with the backend that the kernel stored (from 5.14), and the process that connected it.
    ///
    /// The process is gone if its server was replaced.
    public func connectedNBDDevices() throws(KernelError) -> [(device: NBDDevice, backend: String?, process: Int32?)] {
        try KernelFile.names(in: "\(root)/block").compactMap { name in
            guard name.startsExactly(with: "nbd"), let index = Int(name.dropFirst(3)),
                let process = KernelFile.firstLine("\(root)/block/\(name)/pid").flatMap({ Int32($0) })
            else { return nil }
            return (NBDDevice(index: index), KernelFile.firstLine("\(root)/block/\(name)/backend"), process)
        }
    }

    /// Sets a limit of a block device's queue, such as `nr_requests`.
    public func setQueueLimit(_ limit: String, of name: String, to value: Int) throws(KernelError) {
        try KernelFile.write("\(value)", to: "\(root)/block/\(name)/queue/\(limit)")
    }
}
