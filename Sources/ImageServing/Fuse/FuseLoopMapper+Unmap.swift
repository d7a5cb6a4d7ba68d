internal import Glibc
public import ImageMapping
internal import LinuxKernel
internal import Logging
internal import SystemPackage

extension FuseLoopMapper {
    /// Removes the device and verifies it: no loop device, no mount, no server, no record.
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
            observer(.detachingLoop, image.description)
            try detachLoops(directory)
            observer(.unmountingFile, image.description)
            try unmountFile(directory)
            observer(.endingServer, image.description)
            try server(of: directory).end()
            observer(.removingRecord, image.description)
            try server(of: directory).removeDirectory()
        } catch {
            throw MappingError("unmap image \(image)", error)
        }
    }

    /// Removes what a server left that is dead or never became ready.
    func clear(_ directory: MappingDirectory) throws(KernelError) {
        if let connection = connection(directory, try MountTable.current()) {
            try server(of: directory).refuseWithoutFiles()
            logger.warning("clearing away a dead image server", metadata: ["mapping": "\(directory.path)"])
            // First, nothing may wait for it any more.
            try fuseConnections().abort(connection)
        }
        for loop in try sysfs.loopDevices(backedBy: directory.imageFile) { try loop.detach() }
        while connection(directory, try MountTable.current()) != nil { try detach(directory) }
        try server(of: directory).kill()
    }

    func fuseConnections() throws(KernelError) -> FuseConnections {
        try FuseConnections.mounted(fallback: "\(stateDirectory)/fusectl")
    }

    private func detachLoops(_ directory: MappingDirectory) throws(KernelError) {
        for loop in try sysfs.loopDevices(backedBy: directory.imageFile) {
            // A device in use would be detached later, when its last user closes it.
            let deadline = ContinuousClock.now + .seconds(5)
            while true {
                let holders = DeviceHolders().holders(of: String(loop.path.dropFirst("/dev/".count)))
                if holders.isEmpty { break }
                let isMounted = try !MountTable.current().mounts(of: loop.device).isEmpty
                // It may be a program that only inspects devices.
                guard !isMounted, .now < deadline else {
                    let who = holders.prefix(6).map(\.description).joined(separator: "; ")
                    throw KernelError("LOOP_CLR_FD", .resourceBusy, "\(loop) is held: \(who)")
                }
                usleep(20_000)
            }
            try loop.detach()
            try Waiting.wait(.seconds(5), "LOOP_CLR_FD", "\(loop) is still open somewhere") {
                sysfs.backingFile(of: loop) != directory.imageFile
            }
        }
    }

    /// Detaches the mount; succeeds if a server that gave up has just done so.
    private func detach(_ directory: MappingDirectory) throws(KernelError) {
        do throws(KernelError) {
            try Mounting.detach(directory.mountPoint)
        } catch {
            guard error.errno == .invalidArgument, connection(directory, try MountTable.current()) == nil else {
                throw error
            }
        }
    }

    private func unmountFile(_ directory: MappingDirectory) throws(KernelError) {
        while let connection = connection(directory, try MountTable.current()) {
            if try !server(of: directory).isKept(), try server(of: directory).withoutFiles().isEmpty {
                try fuseConnections().abort(connection)
                try detach(directory)
            } else {
                try Waiting.wait(.seconds(5), "umount2", directory.mountPoint) { () throws(KernelError) in
                    do throws(KernelError) {
                        try Mounting.unmount(directory.mountPoint)
                        return true
                    } catch  where error.errno == .resourceBusy {
                        return false
                    } catch  where error.errno == .invalidArgument {
                        return true
                    }
                }
            }
        }
    }
}
