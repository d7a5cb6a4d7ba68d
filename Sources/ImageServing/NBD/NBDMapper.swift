internal import Glibc
public import ImageMapping
internal import ImageOwnership
internal import LinuxKernel
public import Logging
public import Secrets
internal import SystemPackage

/// Maps each image by a server process that serves it to the kernel's network block device.
///
/// All calls block the calling thread, and each may be repeated: it inspects the present state (the server's lock, the
/// kernel's devices) and does what is missing. Calls for one image must not overlap.
///
/// A device whose server and keeper were both killed is not lost: its I/O waits, and the next `map` starts a server for
/// it.
public final class NBDMapper: Sendable {
    /// Called for each step before it is done, with its subject.
    public typealias Observer = MappingObserver

    let stateDirectory: String
    let nodeID: String
    let launcher: ServerLauncher
    let connections: Int
    let logger: Logger

    /// Prepares a mapper; touches nothing.
    ///
    /// - Parameters:
    ///   - stateDirectory: Where mappings are kept, such as `/var/lib/nacre`; survives restarts.
    ///   - nodeID: This node's name, which other nodes read to know who holds an image.
    ///   - launcher: Starts its servers.
    ///   - connections: Connections of a device, 1 to 16. With more than one, requests that a killed server had read wait
    ///     up to 30 s instead of 2 (`NBDFront`).
    ///   - logger: Where remains and repairs are logged.
    public init(
        stateDirectory: String,
        nodeID: String,
        launcher: ServerLauncher,
        connections: Int = 1,
        logger: Logger
    ) {
        self.stateDirectory = stateDirectory
        self.nodeID = nodeID
        self.launcher = launcher
        self.connections = min(max(connections, 1), 16)
        self.logger = logger
    }

    func directory(of image: ImageAddress) -> MappingDirectory {
        MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
    }

    func server(of directory: MappingDirectory) -> MappedServer {
        MappedServer(directory: directory, logger: logger)
    }

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
        let node: NodeIdentity
        do throws(KernelError) {
            node = try NodeIdentity.current(name: nodeID, stateDirectory: stateDirectory)
            try KernelFile.makeDirectories(directory.path)
            let isKept = try server(of: directory).isKept()
            let earlier = MappingRecord.read(directory)
            if let earlier, earlier.sharing != sharing, isKept {
                throw KernelError("map", .resourceBusy, "\(image) is mapped for \(earlier.sharing) here")
            }
            observer(.recordingMapping, image.description)
            var record = MappingRecord(version: 1, image: image, sharing: sharing, mapper: .nbd)
            // What waits in a device that is left belongs to that image alone, with or without a server.
            record.identity = try connectedDevice(directory) == nil ? nil : earlier?.identity
            try record.write(directory)
            if let device = try servedDevice(directory) {
                guard server(of: directory).isFenced() else { return try describe(device) }
                // What still waits in it must never reach the image.
                try NBDControl.disconnect(device)
                record.identity = nil
                try record.write(directory)
            }
            observer(.clearingRemains, image.description)
            if try connectedDevice(directory) != nil { try server(of: directory).refuseWithoutFiles() }
            try server(of: directory).kill()
        } catch {
            throw MappingError("map image \(image)", error)
        }
        let configuration = ImageServerConfiguration(
            image: image,
            monitors: monitors,
            userID: credentials.userID,
            sharing: sharing,
            node: node,
            directory: directory,
            placement: launcher.placement,
            predecessor: ServerRecord.read(directory)?.addresses,
            front: .nbd(connections: connections)
        )
        observer(.startingServer, image.description)
        try launcher.start(configuration, credentials.userKey) { observer(.waitingForServer, image.description) }
        guard let device = try device(of: image) else {
            throw MappingError(.host, "cannot map image \(image): its server has no device")
        }
        return device
    }

    /// Resizes the device, which may be in use, to the image's size and returns it in bytes.
    public func grow(_ image: ImageAddress, observer: Observer = { _, _ in }) throws(MappingError) -> UInt64 {
        let directory = directory(of: image)
        guard let device = try device(of: image) else {
            throw MappingError(.host, "cannot grow the device of image \(image): it is not mapped here")
        }
        observer(.growingDevice, device.path)
        let deadline = ContinuousClock.now + .seconds(30)
        while .now < deadline {
            let growth: ServerControl.Growth? = ServerControl.ask("grow", at: directory.control)
            if let error = growth?.error { throw error }
            if let size = growth?.sizeBytes { return size }
            // A server has died, and its successor does not listen yet.
            usleep(100_000)
        }
        throw MappingError(.unavailable, "cannot grow the device of image \(image): its server does not answer")
    }

    /// The device of an image; `nil` if it is not mapped or has no server.
    public func device(of image: ImageAddress) throws(MappingError) -> MappedDevice? {
        do throws(KernelError) {
            guard let device = try servedDevice(directory(of: image)) else { return nil }
            return try describe(device)
        } catch {
            throw MappingError("find the device of image \(image)", error)
        }
    }

    /// The device of a mapping with a live server or keeper.
    func servedDevice(_ directory: MappingDirectory) throws(KernelError) -> NBDDevice? {
        guard try server(of: directory).isKept() else { return nil }
        return try connectedDevice(directory)
    }

    /// The device of a mapping, with or without a server.
    func connectedDevice(_ directory: MappingDirectory) throws(KernelError) -> NBDDevice? {
        try NBDMapping.device(directory, ServerRecord.read(directory))
    }

    private func describe(_ device: NBDDevice) throws(KernelError) -> MappedDevice {
        try device.makeNode()
        let control = try BlockIOControl(opening: device.path)
        return MappedDevice(
            path: device.path,
            sizeBytes: try control.sizeBytes(),
            isReadOnly: try control.isReadOnly(),
            device: try device.number(),
            mapper: .nbd
        )
    }
}
