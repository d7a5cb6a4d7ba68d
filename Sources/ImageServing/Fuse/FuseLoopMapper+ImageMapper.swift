internal import ExactText
public import ImageMapping
public import LinuxKernel
internal import SystemPackage

extension FuseLoopMapper: ImageMapper {
    /// `fuse`.
    public var kind: MapperKind { .fuse }

    /// What this node lacks for it.
    public func lack() -> String? {
        for file in ["/dev/fuse", "/dev/loop-control"] {
            guard let kind = try? FileKind.of(file), kind == .other else { return "there is no \(file)" }
        }
        return nil
    }

    /// Maps the image to a block device, or finds its existing one.
    public func map(_ request: MapRequest, observer: MappingObserver) throws(MappingError) -> MappedDevice {
        try map(
            request.image,
            monitors: request.monitors,
            credentials: request.credentials,
            sharing: request.sharing,
            observer: observer
        )
    }

    /// The loop devices on files of this service's mappings.
    public func unrecordedDevices(of image: ImageAddress?) throws(MappingError) -> [DeviceNumber] {
        do throws(KernelError) {
            return try KernelFile.names(in: "\(sysfs.root)/block").compactMap { LoopDevice(path: "/dev/\($0)") }
                .filter { loop in
                    guard let file = sysfs.backingFile(of: loop) else { return false }
                    return file.isBelow(image.map { directory(of: $0).path } ?? mappingsDirectory)
                }
                .map(\.device)
        } catch {
            throw MappingError("list the loop devices", error)
        }
    }

    /// Resizes the device to the image's size.
    public func grow(
        _ image: ImageAddress,
        toAtLeast bytes: UInt64,
        observer: MappingObserver
    ) throws(MappingError) -> UInt64 {
        try grow(image, observer: observer)
    }

    /// While it has a server that was not fenced.
    public func keepsDevice(of image: ImageAddress) throws(MappingError) -> Bool {
        try device(of: image) != nil && !server(of: directory(of: image)).isFenced()
    }

    /// The image's metadata, read by its server.
    public func metadata(_ request: MapRequest) throws(MappingError) -> [String: String] {
        try ServerControl.notes("metadata", of: request.image, at: directory(of: request.image).control)
    }

    /// Makes the image's server change its metadata.
    public func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError) {
        try ServerControl.apply(change, of: request.image, at: directory(of: request.image).control)
    }

    /// Which image the server has, and which has its name, by the server's own connection.
    public func whereabouts(
        of image: ImageAddress,
        _ request: MapRequest?,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts? {
        let directory = directory(of: image)
        guard try isServing(directory, image) else { return nil }
        return try ServerControl.whereabouts(of: image, at: directory.control, within: seconds)
    }

    /// Whether objects exist, looked up by the image's server.
    public func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool? {
        try ServerControl.holdsObjects(in: range, of: request.image, at: directory(of: request.image).control)
    }
}
