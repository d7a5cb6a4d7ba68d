internal import ImageMapping
internal import LinuxKernel

/// How a mapping finds its device among the kernel's.
enum NBDMapping {
    /// The kernel's backend note of a device: the mapping's directory, which is unique.
    static func backend(of directory: MappingDirectory) -> String { "nacre:\(directory.path)" }

    /// The device of a mapping, if it is connected.
    ///
    /// The device number in the record may be reused. So the kernel's backend note must agree or, on kernels without
    /// such notes, the process that connected the device.
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
