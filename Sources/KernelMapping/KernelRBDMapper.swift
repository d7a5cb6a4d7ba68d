internal import ExactText
internal import FoundationEssentials
internal import Glibc
public import ImageMapping
internal import LinuxKernel
public import Logging
internal import RBD
internal import SystemPackage

/// Maps images by the kernel's client, through its files in sysfs and without the `rbd` program.
///
/// A mapping belongs to the kernel: it outlives this process, and sysfs describes it completely. This service's
/// mappings are recognised by the name of their key, `nacre.TAG.client.USER`, where TAG is derived from the state
/// directory. The key itself is in the kernel's keyring only until the kernel has copied it.
public final class KernelRBDMapper: Sendable {
    let stateDirectory: String
    let crushLocation: String
    let bus: KernelRBDBus
    let logger: Logger
    let owner: (any KernelImageOwner)?
    let writes = KernelWrites()
    let limits: Limits

    /// How long things may take.
    struct Limits: Sendable {
        /// The limit of a map: `mount_timeout` covers the monitors, but the kernel has no limit for an OSD that does
        /// not answer.
        var map = Duration.seconds(75)
        /// Unmapping: what is in flight has to end.
        var unmap = Duration.seconds(60)
        /// How long a program that inspects a new device (udev's blkid) may hold it.
        var busy = Duration.seconds(5)
        /// How long the device node may take: devtmpfs makes it at once, udev alone takes longer.
        var node = Duration.seconds(10)
        /// Reading the header again.
        var refresh = Duration.seconds(30)
        /// The new size after that.
        var resize = Duration.seconds(10)
    }

    /// Prepares a mapper; touches nothing.
    ///
    /// - Parameters:
    ///   - stateDirectory: Where mappings are recorded, such as `/var/lib/nacre`; survives restarts.
    ///   - crushLocation: Where this node is, `zone:a|host:b`, to read from the nearest OSD; empty for the primary.
    ///   - owner: Ensures that an image has one writing node.
    ///   - logger: Where remains and repairs are logged.
    public convenience init(
        stateDirectory: String,
        crushLocation: String = "",
        owner: (any KernelImageOwner)?,
        logger: Logger
    ) {
        self.init(
            stateDirectory: stateDirectory,
            crushLocation: crushLocation,
            owner: owner,
            bus: KernelRBDBus(),
            limits: Limits(),
            logger: logger
        )
    }

    init(
        stateDirectory: String,
        crushLocation: String,
        owner: (any KernelImageOwner)?,
        bus: KernelRBDBus,
        limits: Limits,
        logger: Logger
    ) {
        self.stateDirectory = stateDirectory
        self.crushLocation = crushLocation
        self.owner = owner
        self.bus = bus
        self.limits = limits
        self.logger = logger
    }

    /// Everything that the kernel has mapped for this state directory.
    public func devices() throws(MappingError) -> [KernelRBDDevice] {
        try allDevices().filter(isOurs)
    }

    func directory(of image: ImageAddress) -> MappingDirectory {
        MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
    }

    /// What the names of our keys begin with.
    var keyPrefix: String {
        // Two services on one node have two state directories.
        Self.keyPrefix(of: stateDirectory)
    }

    static func keyPrefix(of stateDirectory: String) -> String {
        "nacre.\(String(FNV.hash32(stateDirectory), radix: 16))."
    }

    func isOurs(_ device: KernelRBDDevice) -> Bool {
        device.option("key")?.startsExactly(with: keyPrefix) == true
    }

    /// Every device of an image of that name, of any service and any cluster.
    func devices(named image: ImageAddress) throws(MappingError) -> [KernelRBDDevice] {
        try allDevices().filter { $0.isOf(image) }
    }

    /// This service's devices of the image; the record's monitors tell images of the same name in two clusters apart.
    func ourDevices(of image: ImageAddress) throws(MappingError) -> [KernelRBDDevice] {
        let record = record(of: image)
        return try devices(named: image).filter { device in
            isOurs(device) && (record?.hosts ?? []).contains { host in device.monitors.contains { $0 == host } }
        }
    }

    func record(of image: ImageAddress) -> KernelRBDRecord? {
        guard let bytes = try? KernelFile.bytes(directory(of: image).record) else { return nil }
        return try? JSONDecoder().decode(KernelRBDRecord.self, from: Data(bytes))
    }

    func describe(_ device: KernelRBDDevice) throws(KernelError) -> MappedDevice {
        MappedDevice(
            path: device.path,
            sizeBytes: try BlockIOControl(opening: device.path).sizeBytes(),
            isReadOnly: bus.isReadOnly(device),
            device: device.device,
            mapper: .krbd
        )
    }

    private func allDevices() throws(MappingError) -> [KernelRBDDevice] {
        guard bus.isPresent else { return [] }
        do throws(KernelError) {
            return try bus.devices()
        } catch {
            throw MappingError("list the kernel's mappings", error)
        }
    }
}

/// The record that is written before the kernel maps; its first fields are those of every mapper's record.
struct KernelRBDRecord: Codable, Sendable {
    let version: Int
    let image: ImageAddress
    let sharing: ImageSharing
    let mapper: MapperKind
    /// The monitors that the kernel was given, `10.0.0.1:3300`; they identify the cluster.
    let hosts: [String]
    /// Whether it goes even when it is open.
    let isForced: Bool
}

/// Ensures that an image which the kernel maps has one writing node; the kernel's own lock does not name the node.
///
/// All calls block.
public protocol KernelImageOwner: Sendable {
    /// Returns when no other node has the image.
    func settle(_ request: MapRequest) throws(MappingError)

    /// Records that this kernel's client, by its address, holds the image, and locks the image if the kernel cannot.
    ///
    /// It throws an error of kind `.inUse` when another node was faster, and of `.replaced` when another image has the name
    /// by now.
    func hold(_ request: MapRequest, address: String, of identity: ImageIdentity?) throws(MappingError)

    /// Which image is mapped, and which one has its name now; `nil` when there is no user to ask as.
    ///
    /// It holds its thread for little more than `seconds`, also where the cluster does not answer.
    func whereabouts(
        of mapped: ImageIdentity,
        as image: ImageAddress,
        _ request: MapRequest?,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts?

    /// What is written on the image.
    func metadata(_ request: MapRequest) throws(MappingError) -> [String: String]

    /// Changes a key of the image's metadata, unless another client has changed it meanwhile.
    func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError)

    /// Whether an object of the image exists that holds a part of a range; `nil` if that would take long to tell.
    func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool?

    /// Undoes `hold` after the image is unmapped, as far as possible.
    func release(_ image: ImageAddress)
}
