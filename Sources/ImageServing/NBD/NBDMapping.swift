internal import ImageMapping
internal import LinuxKernel

/// How a mapping knows its device among the kernel's.
enum NBDMapping {
    /// What the kernel is told of who serves a device: the mapping's directory, which is no one else's.
    static func backend(of directory: MappingDirectory) -> String { "nacre:\(directory.path)" }

    /// The device of a mapping, if it is connected.
    ///
    /// The number in the record alone may be another one's by now: the kernel's note of the backend must agree or, where
    /// the kernel makes none, that of the process which connected it.
    static func device(_ directory: MappingDirectory, _ record: ServerRecord?) throws(KernelError) -> NBDDevice? {
        let backend = backend(of: directory)
        for found in try Sysfs().connectedNBDDevices() {
            if let noted = found.backend {
                if noted == backend { return found.device }
            } else if found.device == record?.device, found.process == record?.connector,
                record?.process.bootID == KernelFile.firstLine("/proc/sys/kernel/random/boot_id")
            {
                return found.device
            }
        }
        return nil
    }
}
