internal import Glibc
public import ImageMapping
internal import LinuxKernel
internal import SystemPackage

extension NBDMapper {
    /// Removes the device and verifies it: no device, no server, no record.
    ///
    /// Fine when nothing is there.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - observer: Told of each step.
    /// - Throws: `MappingError` with `.inUse` if something still uses the device.
    public func unmap(_ image: ImageAddress, observer: Observer = { _, _ in }) throws(MappingError) {
        let directory = directory(of: image)
        do throws(KernelError) {
            guard try FileKind.of(directory.path) != nil else { return }
            observer(.disconnectingDevice, image.description)
            try disconnect(directory)
            observer(.endingServer, image.description)
            try server(of: directory).end()
            observer(.removingRecord, image.description)
            try server(of: directory).removeDirectory()
        } catch {
            throw MappingError("unmap image \(image)", error)
        }
    }

    /// Checks for users, because the kernel would disconnect a device in use, and its file system would lose its disk.
    private func disconnect(_ directory: MappingDirectory) throws(KernelError) {
        guard let device = try connectedDevice(directory) else { return }
        try refuseUsers(of: device)
        guard try server(of: directory).isKept() else {
            // Without a server, waiting I/O fails with the device, and opening the device would wait too.
            return try NBDControl.disconnect(device)
        }
        // Opened exclusively so that it is not mounted meanwhile; programs that only inspect it close it soon.
        let exclusive = try BlockIOControl.exclusively(device.path, within: .seconds(5))
        try NBDControl.disconnect(device)
        _ = consume exclusive
    }

    /// Waits for programs that only inspect the device, and names the remaining users.
    private func refuseUsers(of device: NBDDevice) throws(KernelError) {
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
            let holders = DeviceHolders().holders(of: device.name)
            if holders.isEmpty { return }
            guard .now < deadline, holders.allSatisfy(\.isTransient) else {
                let words = holders.map(\.description).joined(separator: "; ")
                throw KernelError("NBD_CMD_DISCONNECT", .resourceBusy, "\(device) is \(words)")
            }
            usleep(100_000)
        }
    }
}

extension DeviceHolder {
    /// Whether it may be a program that only inspects devices and closes them at once.
    fileprivate var isTransient: Bool {
        if case .process = self { true } else { false }
    }
}
