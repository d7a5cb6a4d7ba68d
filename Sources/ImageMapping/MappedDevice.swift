public import LinuxKernel

/// An image that is a block device here.
public struct MappedDevice: Sendable, Hashable {
    /// Such as `/dev/loop3`.
    public let path: String
    /// The device's size in bytes.
    public let sizeBytes: UInt64
    /// Whether it refuses writes.
    public let isReadOnly: Bool
    /// The device's number, as in mountinfo.
    public let device: DeviceNumber
    /// What made it.
    public let mapper: MapperKind

    package init(path: String, sizeBytes: UInt64, isReadOnly: Bool, device: DeviceNumber, mapper: MapperKind) {
        self.path = path
        self.sizeBytes = sizeBytes
        self.isReadOnly = isReadOnly
        self.device = device
        self.mapper = mapper
    }
}

/// A mapping as it was found, complete or not.
public struct Mapping: Sendable {
    /// Its file name in the state directory.
    public let name: String
    /// The image; `nil` if the record is gone.
    public let image: ImageAddress?
    /// The server process, if it lives.
    public let server: ProcessIdentity?
    /// The number of its FUSE connection, if it is mounted.
    public let connection: Int?
    /// The loop devices on its file.
    public let loopDevices: [LoopDevice]

    package init(
        name: String,
        image: ImageAddress?,
        server: ProcessIdentity?,
        connection: Int?,
        loopDevices: [LoopDevice]
    ) {
        self.name = name
        self.image = image
        self.server = server
        self.connection = connection
        self.loopDevices = loopDevices
    }
}

/// The steps of a mapper; the crash tests kill the service at each.
public enum MappingStep: String, Sendable, CaseIterable {
    /// Writing the record.
    case recordingMapping
    /// Clearing away what a dead server left.
    case clearingRemains
    /// Starting the image's server.
    case startingServer
    /// Waiting for the server to be ready.
    case waitingForServer
    /// Putting a loop device on the file.
    case attachingLoop
    /// Taking the loop device off.
    case detachingLoop
    /// Disconnecting the network block device.
    case disconnectingDevice
    /// Unmounting the file.
    case unmountingFile
    /// Waiting for the server to end.
    case endingServer
    /// Removing the record.
    case removingRecord
    /// Taking over the image's new size.
    case growingDevice
    /// Asking the monitors which protocol they speak.
    case askingMonitors
    /// Waiting for the kernel to map the image.
    case mappingInKernel
    /// Waiting for the device's node.
    case waitingForNode
    /// Waiting for the kernel to unmap the image.
    case unmappingInKernel
}
