internal import ExactText
internal import FoundationEssentials
internal import Glibc
public import ImageMapping
internal import LinuxKernel
public import Logging
internal import RBD
internal import SystemPackage

/// Maps images by the kernel's own client, through its files in sysfs and without the `rbd` program.
///
/// A mapping is the kernel's: it outlives this process, and sysfs tells all of it. Ours are known by the name of the key
/// that they were mapped with, `nacre.TAG.client.USER`, where TAG stands for the state directory; the key itself is in
/// the kernel's keyring just as long as the kernel needs to copy it.
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
        /// Mapping: the monitors have `mount_timeout`, and an absent OSD has no limit of its own.
        var map = Duration.seconds(75)
        /// Unmapping: what is in flight has to end.
        var unmap = Duration.seconds(60)
        /// Who only looks at a new device (udev's blkid) holds it for a moment.
        var busy = Duration.seconds(5)
        /// The device's node: devtmpfs has it at once, udev alone takes a while.
        var node = Duration.seconds(10)
        /// Reading the header again.
        var refresh = Duration.seconds(30)
        /// The new size after that.
        var resize = Duration.seconds(10)
    }

    /// Prepares a mapper; touches nothing.
    ///
    /// - Parameters:
    ///   - stateDirectory: Where mappings are noted, such as `/var/lib/nacre`; survives restarts.
    ///   - crushLocation: Where this node is, `zone:a|host:b`, to read from the nearest OSD; empty for the primary.
    ///   - owner: Sees to it that an image has one writing node.
    ///   - logger: Where to tell of remains and repairs.
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
        // FNV-1a, 32 bits: two services on one node have two state directories.
        let hash = stateDirectory.utf8.reduce(UInt32(0x811C_9DC5)) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
        return "nacre.\(String(hash, radix: 16))."
    }

    func isOurs(_ device: KernelRBDDevice) -> Bool {
        device.option("key")?.startsExactly(with: keyPrefix) == true
    }

    /// Every device of that name, ours or not, of this cluster or another.
    func devices(named image: ImageAddress) throws(MappingError) -> [KernelRBDDevice] {
        try allDevices().filter { $0.isOf(image) }
    }

    /// Ours of this image; what the record says of the cluster tells equal names of two clusters apart.
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

/// What is written down before the kernel is told; its first fields are those of every mapper's record.
struct KernelRBDRecord: Codable, Sendable {
    let version: Int
    let image: ImageAddress
    let sharing: ImageSharing
    let mapper: MapperKind
    /// The monitors that the kernel was given, `10.0.0.1:3300`: they tell the cluster.
    let hosts: [String]
    /// Whether it goes even when it is open.
    let isForced: Bool
}

/// Sees to it that an image which the kernel maps for one node has one writing node; the kernel's own lock does not say
/// whose it is.
///
/// All calls block.
public protocol KernelImageOwner: Sendable {
    /// Returns when no other node has the image.
    func claim(_ request: MapRequest) throws(MappingError)

    /// Writes down that this kernel's client, by its address, has the image, and locks it where the kernel cannot.
    func hold(_ request: MapRequest, address: String) throws(MappingError)

    /// What is written on the image.
    func metadata(_ request: MapRequest) throws(MappingError) -> [String: String]

    /// Changes a key of it, unless another client has changed it meanwhile.
    func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError)

    /// Takes back what `hold` did, once the image is unmapped; does what it can.
    func release(_ image: ImageAddress)
}
