internal import Glibc
public import ImageMapping
internal import ImageOwnership
internal import LinuxKernel
public import Logging
public import Secrets
internal import SystemPackage

/// Maps each image by a server process that serves it as a file through FUSE, and a loop device on that file.
///
/// All calls block the calling thread, and each may be repeated: it inspects the present state (the server's lock,
/// mountinfo, the loop devices' backing files) and does what is missing. Calls for one image must not overlap.
///
/// In a container, the state directory must be on a mount that is shared with the host, and the container must use the
/// host's process ids, because the servers and their mounts outlive it.
public final class FuseLoopMapper: Sendable {
    /// Called for each step before it is done, with its subject.
    public typealias Observer = MappingObserver

    let stateDirectory: String
    let nodeID: String
    let launcher: ServerLauncher
    let logger: Logger
    let sysfs = Sysfs()

    /// Prepares a mapper; touches nothing.
    ///
    /// - Parameters:
    ///   - stateDirectory: Where mappings are kept, such as `/var/lib/nacre`; survives restarts.
    ///   - nodeID: This node's name, which other nodes read to know who holds an image.
    ///   - launcher: Starts its servers.
    ///   - logger: Where remains and repairs are logged.
    public init(
        stateDirectory: String,
        nodeID: String,
        launcher: ServerLauncher,
        logger: Logger
    ) {
        self.stateDirectory = stateDirectory
        self.nodeID = nodeID
        self.launcher = launcher
        self.logger = logger
    }

    func directory(of image: ImageAddress) -> MappingDirectory {
        MappingDirectory(path: "\(mappingsDirectory)/\(image.fileName)")
    }

    var mappingsDirectory: String { "\(stateDirectory)/mappings" }

    /// Maps the image to a block device, or finds its existing one.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - monitors: The addresses of its cluster.
    ///   - credentials: Who we are to it.
    ///   - sharing: Who else may use it.
    ///   - observer: Told of each step.
    /// - Returns: The device.
    /// - Throws: `MappingError` with `.inUse` that names the node and the client that hold the image.
    public func map(
        _ image: ImageAddress,
        monitors: [String],
        credentials: Credentials,
        sharing: ImageSharing,
        observer: Observer = { _, _ in }
    ) throws(MappingError) -> MappedDevice {
        let directory = directory(of: image)
        var predecessor: String?
        let node: NodeIdentity
        do throws(KernelError) {
            node = try NodeIdentity.current(name: nodeID, stateDirectory: stateDirectory)
            try KernelFile.makeDirectories(directory.path)
            var record = MappingRecord(version: 1, image: image, sharing: sharing, mapper: .fuse)
            let earlier = MappingRecord.read(directory)
            let isServed = try isServed(directory)
            if let earlier, earlier.sharing != sharing, isServed {
                throw KernelError("map", .resourceBusy, "\(image) is mapped for \(earlier.sharing) here")
            }
            // A server that was fenced lives on, and its device with it; who stages the volume again needs another one.
            let isKept = isServed && !server(of: directory).isFenced()
            if isKept { record.identity = earlier?.identity }
            observer(.recordingMapping, image.description)
            try record.write(directory)
            if !isKept {
                predecessor = ServerRecord.read(directory)?.addresses
                observer(.clearingRemains, image.description)
                try clear(directory)
                try KernelFile.makeDirectories(directory.mountPoint)
            }
        } catch {
            throw MappingError("map image \(image)", error)
        }
        if try !isServing(directory, image) {
            let configuration = ImageServerConfiguration(
                image: image,
                monitors: monitors,
                userID: credentials.userID,
                sharing: sharing,
                node: node,
                directory: directory,
                placement: launcher.placement,
                predecessor: predecessor,
                front: .fuse
            )
            observer(.startingServer, image.description)
            try launcher.start(configuration, credentials.userKey) { observer(.waitingForServer, image.description) }
        }
        do throws(KernelError) {
            return try attachedDevice(directory, sharing.isReadOnly) { observer(.attachingLoop, image.description) }
        } catch {
            throw MappingError("attach a loop device to image \(image)", error)
        }
    }

    /// Resizes the device, which may be in use, to the image's size and returns it in bytes.
    public func grow(_ image: ImageAddress, observer: Observer = { _, _ in }) throws(MappingError) -> UInt64 {
        let directory = directory(of: image)
        do throws(KernelError) {
            guard try isServed(directory), let loop = try sysfs.loopDevices(backedBy: directory.imageFile).first else {
                throw KernelError("grow", .noSuchAddressOrDevice, "\(image) is not mapped here")
            }
            observer(.growingDevice, loop.path)
            // Reading the file's size makes the server ask the cluster and updates the kernel.
            guard case .file(let bytes)? = try FileKind.of(directory.imageFile) else {
                throw KernelError("lstat", .noSuchFileOrDirectory, directory.imageFile)
            }
            if try BlockIOControl(opening: loop.path).sizeBytes() < bytes { try loop.updateCapacity() }
            return try BlockIOControl(opening: loop.path).sizeBytes()
        } catch {
            throw MappingError("grow the device of image \(image)", error)
        }
    }

    /// The device of an image; `nil` if it is not mapped or its server is dead.
    public func device(of image: ImageAddress) throws(MappingError) -> MappedDevice? {
        let directory = directory(of: image)
        do throws(KernelError) {
            guard try isServed(directory), let loop = try sysfs.loopDevices(backedBy: directory.imageFile).first else {
                return nil
            }
            return try describe(loop)
        } catch {
            throw MappingError("find the device of image \(image)", error)
        }
    }

    private func attachedDevice(
        _ directory: MappingDirectory,
        _ isReadOnly: Bool,
        willAttach: () -> Void
    ) throws(KernelError) -> MappedDevice {
        let found = try sysfs.loopDevices(backedBy: directory.imageFile)
        for surplus in found.dropFirst() {
            logger.warning("detaching a second loop device", metadata: ["device": "\(surplus)"])
            try surplus.detach()
        }
        if let loop = found.first { return try describe(loop) }
        willAttach()
        let loop = try LoopDevice.attach(backing: directory.imageFile, isReadOnly: isReadOnly)
        guard try loop.usesDirectIO() else {
            try loop.detach()
            throw KernelError("LOOP_CONFIGURE", .notSupported, "\(loop): no direct I/O to the image's file")
        }
        return try describe(loop)
    }

    private func describe(_ loop: LoopDevice) throws(KernelError) -> MappedDevice {
        let control = try BlockIOControl(opening: loop.path)
        return MappedDevice(
            path: loop.path,
            sizeBytes: try control.sizeBytes(),
            isReadOnly: try control.isReadOnly(),
            device: loop.device,
            mapper: .fuse
        )
    }
}
