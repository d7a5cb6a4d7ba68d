public import LinuxKernel
public import Secrets

/// What makes a block device of an image.
public enum MapperKind: String, Sendable, Codable, CaseIterable, CustomStringConvertible {
    /// The kernel's own client.
    case krbd
    /// librbd behind the kernel's network block device.
    case nbd
    /// librbd behind FUSE and a loop device.
    case fuse

    /// The name that a class uses.
    public var description: String { rawValue }
}

/// What a mapper is told of an image and of how it shall be mapped.
public struct MapRequest: Sendable {
    /// Which image.
    public let image: ImageAddress
    /// Where its cluster's monitors are, as config.json has them.
    public package(set) var monitors: [String]
    /// Who we are to it.
    public let credentials: Credentials
    /// Who else may use it as long as it is mapped.
    public let sharing: ImageSharing
    /// `mapOptions` of the class, in ceph-csi's syntax: `krbd:queue_depth=64;nbd:…`.
    public let mapOptions: String
    /// `unmapOptions` of the class.
    public let unmapOptions: String

    /// Puts a request together.
    public init(
        image: ImageAddress,
        monitors: [String],
        credentials: Credentials,
        sharing: ImageSharing,
        mapOptions: String = "",
        unmapOptions: String = ""
    ) {
        self.image = image
        self.monitors = monitors
        self.credentials = credentials
        self.sharing = sharing
        self.mapOptions = mapOptions
        self.unmapOptions = unmapOptions
    }
}

/// Told of each step before it is taken, with its subject.
public typealias MappingObserver = (MappingStep, _ subject: String) -> Void

/// Makes block devices of images.
///
/// All calls block, and each may be repeated after a crash at any place: it looks at what is really there and does what
/// is missing. Calls for one image come one after the other.
public protocol ImageMapper: Sendable {
    /// Which one it is.
    var kind: MapperKind { get }

    /// What this node lacks for it; nothing when it can be used.
    func lack() -> String?

    /// Makes the image a block device, or finds the one that it is.
    ///
    /// - Parameters:
    ///   - request: The image and how.
    ///   - observer: Told of each step.
    /// - Returns: The device.
    /// - Throws: `MappingError`; of kind `.unsupported` when another mapper may do it.
    func map(_ request: MapRequest, observer: MappingObserver) throws(MappingError) -> MappedDevice

    /// Takes the image's new size over to its device, which may be in use.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - bytes: What the image has at least; 0 when the caller does not know.
    ///   - observer: Told of each step.
    /// - Returns: The device's size in bytes.
    /// - Throws: `MappingError`.
    func grow(_ image: ImageAddress, toAtLeast bytes: UInt64, observer: MappingObserver) throws(MappingError) -> UInt64

    /// The device of an image; nothing when it is not mapped, or its server is dead.
    func device(of image: ImageAddress) throws(MappingError) -> MappedDevice?

    /// Whether `map` would find the device that the image has here, and not replace it by another one.
    ///
    /// A device whose server is dead, or was fenced, does no I/O any more.
    func keepsDevice(of image: ImageAddress) throws(MappingError) -> Bool

    /// Nacre's keys of an image's metadata, `nacre.io/…`, while it is mapped here; asked by the client that has it, where that is a process of ours.
    ///
    /// - Parameter request: The image, as it was mapped.
    /// - Returns: Keys and values.
    /// - Throws: `MappingError`.
    func metadata(_ request: MapRequest) throws(MappingError) -> [String: String]

    /// Changes a key of an image that is mapped here, unless another client has changed it meanwhile.
    ///
    /// - Parameters:
    ///   - change: The key, what it was and what it becomes.
    ///   - request: The image, as it was mapped.
    /// - Throws: `MappingError` of kind `.fenced` when the key has another value by now.
    func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError)

    /// Whether any object exists that holds a part of a range of an image that is mapped here.
    ///
    /// - Parameters:
    ///   - request: The image, as it was mapped.
    ///   - range: Offsets in bytes.
    /// - Returns: Whether one exists; `nil` if that cannot be told within seconds.
    /// - Throws: `MappingError`.
    func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool?

    /// The devices that the kernel itself says are of an image, or of any image that this service mapped; no record is asked.
    func unrecordedDevices(of image: ImageAddress?) throws(MappingError) -> [DeviceNumber]

    /// Which image is mapped, and which one has its name now, by the cluster's word.
    ///
    /// - Parameters:
    ///   - image: The image, by the name that it was mapped by.
    ///   - request: How it was mapped; nothing when the caller does not know, and then only a client of ours can be asked.
    ///   - seconds: How long a server or a cluster may take.
    /// - Returns: Both; `nil` if that cannot be told here: nobody has the user's key, or a server of an earlier version
    ///   serves it.
    /// - Throws: `MappingError` of kind `.unavailable` when the cluster does not answer.
    func whereabouts(
        of image: ImageAddress,
        _ request: MapRequest?,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts?

    /// Takes the device away and proves it; fine when nothing is there.
    func unmap(_ image: ImageAddress, observer: MappingObserver) throws(MappingError)

    /// Takes away what the kernel has of an image of which there is no record any more; fine when it has nothing.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - monitors: Its cluster's: another cluster may have an image of the same name.
    ///   - observer: Told of each step.
    /// - Throws: `MappingError`.
    func unmapUnrecorded(
        _ image: ImageAddress,
        monitors: [String],
        observer: MappingObserver
    ) throws(MappingError)
}

extension ImageMapper {
    /// As long as it is there.
    public func keepsDevice(of image: ImageAddress) throws(MappingError) -> Bool { try device(of: image) != nil }

    /// It cannot be told.
    public func whereabouts(
        of image: ImageAddress,
        _ request: MapRequest?,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts? { nil }

    /// None that the kernel can tell of.
    public func unrecordedDevices(of image: ImageAddress?) throws(MappingError) -> [DeviceNumber] { [] }

    /// Nothing: what a server process serves is gone with its directory, or is found by it.
    public func unmapUnrecorded(
        _ image: ImageAddress,
        monitors: [String],
        observer: MappingObserver
    ) throws(MappingError) {}
}
