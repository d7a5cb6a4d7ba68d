internal import LinuxKernel

/// How a mapping knows its device among the kernel's.
enum NBDMapping {
    /// What the kernel is told of who serves a device: the mapping's directory, which is no one else's.
    static func backend(of directory: MappingDirectory) -> String { "nacre:\(directory.path)" }

    /// The device that was connected with this backend; kernels before 5.14 do not say.
    static func device(of backend: String) throws(KernelError) -> NBDDevice? {
        try Sysfs().connectedNBDDevices().first { $0.backend == backend }?.device
    }

    /// Whether the device is connected, and to this backend as far as the kernel says.
    static func isConnected(_ device: NBDDevice, _ backend: String) throws(KernelError) -> Bool {
        try Sysfs().connectedNBDDevices().contains { $0.device == device && ($0.backend ?? backend) == backend }
    }
}
