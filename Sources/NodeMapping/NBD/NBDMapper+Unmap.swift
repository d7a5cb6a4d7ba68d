internal import LinuxKernel
internal import SystemPackage

extension NBDMapper {
    /// Takes the device away and proves it: no device, no server, no record.
    ///
    /// Fine when nothing is there.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - observer: Told of each step.
    /// - Throws: `MappingError` with `.inUse` when something still uses the device.
    public func unmap(_ image: ImageAddress, observer: Observer = { _, _ in }) throws(MappingError) {
        let directory = directory(of: image)
        do throws(KernelError) {
            guard try FileKind.of(directory.path) != nil else { return }
            observer(.disconnectingDevice, image.description)
            try disconnect(directory)
            observer(.endingServer, image.description)
            try server(of: directory).end()
            observer(.removingRecord, image.description)
            // Where FUSE was tried before.
            try KernelFile.removeDirectory(directory.mountPoint)
            for file in directory.files {
                try KernelFile.remove(file)
                try KernelFile.remove("\(file).new")
            }
            try KernelFile.removeDirectory(directory.path)
        } catch {
            throw MappingError("unmap image \(image)", error)
        }
    }

    /// The kernel would disconnect a device that is in use, and its file system would lose its disk.
    private func disconnect(_ directory: MappingDirectory) throws(KernelError) {
        guard let device = try connectedDevice(directory) else { return }
        try refuseUsers(of: device)
        guard try server(of: directory).isKept() else {
            // Nobody answers: what waits fails with it, and opening the device would wait too.
            return try NBDControl.disconnect(device)
        }
        // Held so that nobody mounts it meanwhile; who only looks at a new device lets go of it soon.
        let exclusive = try BlockIOControl.exclusively(device.path, within: .seconds(5))
        try NBDControl.disconnect(device)
        _ = consume exclusive
    }

    private func refuseUsers(of device: NBDDevice) throws(KernelError) {
        let number = try device.number()
        var users = try MountTable.current().mounts(of: number).map { "mounted at \($0.mountPoint)" }
        users += ((try? KernelFile.names(in: "/sys/block/\(device.name)/holders")) ?? []).map { "used by \($0)" }
        guard users.isEmpty else {
            throw KernelError("NBD_CMD_DISCONNECT", .resourceBusy, "\(device) is \(users.joined(separator: ", "))")
        }
    }
}
