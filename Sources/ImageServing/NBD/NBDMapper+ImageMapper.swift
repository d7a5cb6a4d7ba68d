public import ImageMapping
internal import LinuxKernel

extension NBDMapper: ImageMapper {
    /// `nbd`.
    public var kind: MapperKind { .nbd }

    /// What this node lacks for it.
    public func lack() -> String? {
        if NBDControl.isAvailable { return nil }
        KernelModule.load("nbd")
        return NBDControl.isAvailable ? nil : "the kernel has no nbd driver; install and load the module nbd"
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

    /// Resizes the device to the image's size.
    public func grow(
        _ image: ImageAddress,
        toAtLeast bytes: UInt64,
        observer: MappingObserver
    ) throws(MappingError) -> UInt64 {
        try grow(image, observer: observer)
    }

    /// Also without a server, unless its last one was fenced: the device waits for the next.
    public func keepsDevice(of image: ImageAddress) throws(MappingError) -> Bool {
        let directory = directory(of: image)
        do throws(KernelError) {
            return try connectedDevice(directory) != nil && !server(of: directory).isFenced()
        } catch {
            throw MappingError("find the device of image \(image)", error)
        }
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
        guard try device(of: image) != nil else { return nil }
        return try ServerControl.whereabouts(of: image, at: directory(of: image).control, within: seconds)
    }

    /// Whether objects exist, looked up by the image's server.
    public func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool? {
        try ServerControl.holdsObjects(in: range, of: request.image, at: directory(of: request.image).control)
    }
}
