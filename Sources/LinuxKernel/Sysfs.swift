internal import ExactText
internal import Glibc

/// The kernel's devices in `/sys`.
public struct Sysfs: Sendable {
    /// `/sys`, or a tree that a test made.
    public let root: String

    /// Reads below `root`.
    public init(root: String = "/sys") { self.root = root }

    /// The backing file of a loop device; `nil` if it is free.
    ///
    /// The path is as this process sees it; a file that was removed or unmounted ends in ` (deleted)`, or is short.
    public func backingFile(of loop: LoopDevice) -> String? {
        KernelFile.firstLine("\(root)/block/loop\(loop.number)/loop/backing_file")
    }

    /// The loop devices with the backing file `path`.
    public func loopDevices(backedBy path: String) throws(KernelError) -> [LoopDevice] {
        try KernelFile.names(in: "\(root)/block")
            .compactMap { LoopDevice(path: "/dev/\($0)") }
            .filter { backingFile(of: $0)?.isExactly(path) == true }
    }

    /// The kernel's name of a block device, `rbd0`; `nil` if there is none with that number.
    public func name(of device: DeviceNumber) -> String? {
        (try? KernelFile.text("\(root)/dev/block/\(device)/uevent"))?.parts(at: "\n", omittingEmpty: true)
            .first { $0.startsExactly(with: "DEVNAME=") }
            .map { String($0.dropFirst("DEVNAME=".count)) }
    }

    /// Whether a device hangs on a USB plug: its maker may not have reckoned with every command.
    public func isOnUSB(_ name: String) -> Bool { isOnUSB(path: "\(root)/class/block/\(name)") }

    func isOnUSB(path: String) -> Bool {
        guard let path = realpath(path, nil) else { return false }
        defer { free(path) }
        return String(cString: path).contains("/usb")
    }

    /// A block device's size in bytes, without opening it.
    public func sizeBytes(of name: String) -> UInt64? {
        KernelFile.firstLine("\(root)/class/block/\(name)/size").flatMap(UInt64.init).map { $0 * 512 }
    }
}
