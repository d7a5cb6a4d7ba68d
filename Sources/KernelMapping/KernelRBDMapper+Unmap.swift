internal import Glibc
public import ImageMapping
public import LinuxKernel
internal import Logging
internal import SystemPackage

extension KernelRBDMapper {
    /// The device of an image; `nil` if it is not mapped.
    public func device(of image: ImageAddress) throws(MappingError) -> MappedDevice? {
        guard let device = try ourDevices(of: image).first else { return nil }
        do throws(KernelError) {
            return try describe(device)
        } catch {
            throw MappingError("find the device of image \(image)", error)
        }
    }

    /// Waits until the device has the image's new size; the kernel is notified by Ceph, and is also asked to refresh at
    /// once.
    public func grow(
        _ image: ImageAddress,
        toAtLeast bytes: UInt64,
        observer: MappingObserver
    ) throws(MappingError) -> UInt64 {
        guard let device = try ourDevices(of: image).first else {
            throw MappingError(.notFound, "cannot grow the device of image \(image): it is not mapped here")
        }
        observer(.growingDevice, device.path)
        let refresh = bus.refresh(device)
        do throws(KernelError) {
            let outcome = try writes.run("refresh \(device.number)", limit: limits.refresh) { () throws(KernelError) in
                try KernelFile.write("1", to: refresh)
            }
            switch outcome {
            case .done: break
            case .failed(let error): throw error
            case .pending(let age):
                throw KernelError("write", .timedOut, "\(refresh), under way for \(age.components.seconds) s")
            }
            let deadline = ContinuousClock.now + limits.resize
            while true {
                let size = try BlockIOControl(opening: device.path).sizeBytes()
                if size >= bytes || .now >= deadline { return size }
                usleep(5000)
            }
        } catch {
            throw MappingError("grow the device of image \(image)", error)
        }
    }

    /// Removes the device and verifies it; succeeds if nothing is there.
    public func unmap(_ image: ImageAddress, observer: MappingObserver) throws(MappingError) {
        if let age = writes.age(of: "add \(image.clusterID)/\(image)") {
            throw MappingError(
                .unavailable,
                "cannot unmap image \(image) yet: the kernel has been mapping it for \(age.components.seconds) s"
            )
        }
        let record = record(of: image)
        for device in try ourDevices(of: image) {
            observer(.unmappingInKernel, device.path)
            try unmap(device, of: image, isForced: record?.isForced == true)
        }
        owner?.release(image)
        let directory = directory(of: image)
        do throws(KernelError) {
            guard try FileKind.of(directory.path) != nil else { return }
            observer(.removingRecord, image.description)
            try KernelFile.remove("\(directory.record).new")
            try KernelFile.remove(directory.record)
            try KernelFile.removeDirectory(directory.path)
        } catch {
            throw MappingError("unmap image \(image)", error)
        }
    }

    /// The kernel's devices that were mapped by this service, by the names of their keys.
    public func unrecordedDevices(of image: ImageAddress?) throws(MappingError) -> [DeviceNumber] {
        try devices().filter { device in
            guard let image else { return true }
            return device.isOf(image)
        }.map(\.device)
    }

    /// Unmaps this service's devices of the image, recognised by the name of their key, on one of these monitors.
    public func unmapUnrecorded(
        _ image: ImageAddress,
        monitors: [String],
        observer: MappingObserver
    ) throws(MappingError) {
        let hosts = Set(MonitorAddress.parse(monitors).map(\.description))
        var isFound = false
        for device in try devices(named: image)
        where isOurs(device) && device.monitors.contains(where: { hosts.contains(String($0)) }) {
            logger.warning(
                "unmapping a device whose record was lost",
                metadata: ["device": "\(device.path)", "image": "\(image)"]
            )
            observer(.unmappingInKernel, device.path)
            try unmap(device, of: image, isForced: false)
            isFound = true
        }
        if isFound { owner?.release(image) }
    }

    /// Unmaps one device; for EBUSY the error names the device's users.
    func unmap(_ device: KernelRBDDevice, of image: ImageAddress, isForced: Bool) throws(MappingError) {
        let deadline = ContinuousClock.now + limits.busy
        let file = bus.remove
        while bus.device(device.number) == device {
            let outcome: KernelWrites.Outcome
            do throws(KernelError) {
                outcome = try writes.run("remove \(device.number)", limit: limits.unmap) { () throws(KernelError) in
                    try KernelFile.write("\(device.number)\(isForced ? " force" : "")", to: file)
                }
            } catch {
                throw MappingError("unmap image \(image)", error)
            }
            switch outcome {
            case .done: break
            case .failed(let error) where error.errno == .resourceBusy:
                // A program that only inspects devices, such as udev's blkid, soon closes them.
                guard ContinuousClock.now < deadline else { throw held(device, image) }
                usleep(50_000)
            case .failed(let error) where error.errno == .noSuchFileOrDirectory: return
            case .failed(let error): throw MappingError("unmap image \(image)", error)
            case .pending(let age):
                throw MappingError(
                    .unavailable,
                    "cannot unmap image \(image) yet: the kernel has been at \(device.path) for \(age.components.seconds) "
                        + "s, waiting for the cluster; it goes on, and a repeated call waits for it"
                )
            }
        }
    }

    private func held(_ device: KernelRBDDevice, _ image: ImageAddress) -> MappingError {
        let holders = DeviceHolders().holders(of: device.name).map(\.description)
        let who =
            holders.isEmpty
            ? "by something that this process cannot see, perhaps in another process namespace"
            : holders.prefix(6).joined(separator: "; ") + (holders.count > 6 ? "; and \(holders.count - 6) more" : "")
        return MappingError(
            .inUse,
            "cannot unmap image \(image): \(device.path) is held: \(who); end that first (EBUSY)"
        )
    }
}
