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

    /// Makes the image a block device, or finds the one that it is.
    public func map(_ request: MapRequest, observer: MappingObserver) throws(MappingError) -> MappedDevice {
        try map(
            request.image,
            monitors: request.monitors,
            credentials: request.credentials,
            sharing: request.sharing,
            observer: observer
        )
    }

    /// Takes the image's new size over to its device.
    public func grow(
        _ image: ImageAddress,
        toAtLeast bytes: UInt64,
        observer: MappingObserver
    ) throws(MappingError) -> UInt64 {
        try grow(image, observer: observer)
    }

    /// What is written on the image, as its server reads it.
    public func metadata(_ request: MapRequest) throws(MappingError) -> [String: String] {
        try ServerControl.notes("metadata", of: request.image, at: directory(of: request.image).control)
    }

    /// Has the image's server change what is written on it.
    public func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError) {
        try ServerControl.apply(change, of: request.image, at: directory(of: request.image).control)
    }
}
