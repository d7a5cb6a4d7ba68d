internal import FoundationEssentials
internal import Glibc
public import ImageMapping
internal import LinuxKernel
internal import Logging
internal import Secrets
internal import SystemPackage

extension KernelRBDMapper: ImageMapper {
    /// `krbd`.
    public var kind: MapperKind { .krbd }

    /// What this node lacks for krbd; loads the module if possible.
    public func lack() -> String? {
        if bus.isPresent { return nil }
        KernelModule.load("rbd")
        return bus.isPresent ? nil : "this kernel has no rbd (modprobe rbd does not bring it)"
    }

    /// Maps the image, or finds its existing device.
    public func map(_ request: MapRequest, observer: MappingObserver) throws(MappingError) -> MappedDevice {
        let options = try KernelMapOptions(mapOptions: request.mapOptions)
        let isForced = try KernelMapOptions.isForced(unmapOptions: request.unmapOptions)
        try refuseUnspeakable(request)
        if let lack = lack() {
            throw MappingError(.unsupported, "cannot map image \(request.image) by krbd: \(lack)")
        }
        try refuseUnknownKey(request)
        observer(.askingMonitors, request.monitors.joined(separator: ","))
        let monitors = try KernelMonitors(
            asking: request.monitors,
            mode: options["ms_mode"],
            subject: "map image \(request.image) by krbd"
        )
        var request = request
        request.monitors = monitors.forLibrados
        let known = (record(of: request.image)?.hosts ?? []) + monitors.addresses
        if let device = try reusable(request, hosts: known) {
            return try finish(device, isNew: false, request, observer)
        }
        do throws(KernelError) {
            observer(.recordingMapping, request.image.description)
            let record = KernelRBDRecord(
                version: 1,
                image: request.image,
                sharing: request.sharing,
                mapper: .krbd,
                hosts: monitors.addresses,
                isForced: isForced
            )
            try KernelFile.makeDirectories(directory(of: request.image).path)
            try KernelFile.replace(directory(of: request.image).record, with: json(record))
        } catch {
            throw MappingError("map image \(request.image)", error)
        }
        if request.sharing == .oneNode { try owner?.settle(request) }
        observer(.mappingInKernel, request.image.description)
        try add(request, monitors, options)
        guard let device = try ourDevices(of: request.image).last else {
            throw MappingError(
                .host,
                "cannot map image \(request.image): the kernel mapped it, but sysfs does not show it"
            )
        }
        return try finish(device, isNew: true, request, observer)
    }

    /// The image's metadata; the kernel has no interface for it, so the owner's connection reads it.
    public func metadata(_ request: MapRequest) throws(MappingError) -> [String: String] {
        try requiredOwner(request).metadata(request)
    }

    /// Changes the image's metadata through the owner's connection.
    public func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError) {
        try requiredOwner(request).apply(change, request)
    }

    /// Whether objects exist, looked up through the owner's connection.
    public func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool? {
        try requiredOwner(request).holdsObjects(request, in: range)
    }

    private func requiredOwner(_ request: MapRequest) throws(MappingError) -> any KernelImageOwner {
        guard let owner else {
            throw MappingError(
                .unsupported,
                "cannot read what is written on image \(request.image): krbd has no owner here"
            )
        }
        return owner
    }

    /// The image's existing device, if it is mapped as wanted; throws if it is mapped differently.
    private func reusable(_ request: MapRequest, hosts: [String]) throws(MappingError) -> KernelRBDDevice? {
        let present = try devices(named: request.image).filter { device in
            device.monitors.isEmpty || hosts.contains { host in device.monitors.contains { $0 == host } }
        }
        guard let device = present.first else { return nil }
        guard isOurs(device) else {
            throw MappingError(
                .inUse,
                "cannot map image \(request.image): it is mapped here already as \(device.path), not by this service; "
                    + "see who uses it and unmap it: rbd unmap \(device.path)"
            )
        }
        for surplus in present.dropFirst() where isOurs(surplus) {
            logger.warning("unmapping a second device of an image", metadata: ["device": "\(surplus.path)"])
            try unmap(surplus, of: request.image, isForced: false)
        }
        let sharing = record(of: request.image)?.sharing
        guard bus.isReadOnly(device) == request.sharing.isReadOnly, sharing == nil || sharing == request.sharing else {
            throw MappingError(
                .inUse,
                "cannot map image \(request.image) for \(request.sharing): it is mapped here as \(device.path) for "
                    + "\(sharing ?? (bus.isReadOnly(device) ? .readers : .manyNodes)); end its use here first"
            )
        }
        return device
    }

    /// Which image the kernel has mapped, and which has its name, by the owner's connection.
    public func whereabouts(
        of image: ImageAddress,
        _ request: MapRequest?,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts? {
        guard let owner, let identity = try ourDevices(of: image).first?.identity else { return nil }
        return try owner.whereabouts(of: identity, as: image, request, within: seconds)
    }

    /// Waits for the device node, and ensures that there is a record.
    private func finish(
        _ device: KernelRBDDevice,
        isNew: Bool,
        _ request: MapRequest,
        _ observer: MappingObserver
    ) throws(MappingError) -> MappedDevice {
        try hold(device, isNew: isNew, request)
        observer(.waitingForNode, device.path)
        do throws(KernelError) {
            if record(of: request.image) == nil {
                let record = KernelRBDRecord(
                    version: 1,
                    image: request.image,
                    sharing: request.sharing,
                    mapper: .krbd,
                    hosts: device.monitors,
                    isForced: false
                )
                try KernelFile.makeDirectories(directory(of: request.image).path)
                try KernelFile.replace(directory(of: request.image).record, with: json(record))
            }
            let deadline = ContinuousClock.now + limits.node
            while try FileKind.of(device.path) != .blockDevice(device.device) {
                guard .now < deadline else {
                    throw KernelError("lstat", .noSuchFileOrDirectory, "\(device.path) (\(device.device))")
                }
                usleep(1000)
            }
            return try describe(device)
        } catch {
            throw MappingError(
                .host,
                "cannot use the device of image \(request.image): \(error); is the host's /dev, a devtmpfs, what this "
                    + "service sees at /dev?"
            )
        }
    }

    /// Locks the image for this node; if another node was faster, or another image has the name, unmaps what `map` added.
    ///
    /// A device that was there before may be in use, also where the kernel would let it go, such as by a pod that has its
    /// path: whoever mounted it ends that.
    private func hold(_ device: KernelRBDDevice, isNew: Bool, _ request: MapRequest) throws(MappingError) {
        guard let owner, request.sharing == .oneNode else { return }
        do throws(MappingError) {
            try owner.hold(request, address: device.clientAddress, of: device.identity)
        } catch {
            if isNew, [.inUse, .replaced].contains(error.kind) {
                try unmap(device, of: request.image, isForced: false)
            }
            throw error
        }
    }

    /// What cannot be written in a line of words, because the file in sysfs has no quoting.
    private func refuseUnspeakable(_ request: MapRequest) throws(MappingError) {
        let image = request.image
        for (what, name) in [("pool", image.pool), ("namespace", image.namespace), ("image", image.name)]
        where name.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) || name.contains(",") && what == "namespace" {
            throw MappingError(.unsupported, "cannot map image \(image) by krbd: its \(what) has a blank in its name")
        }
        let user = request.credentials.userID
        guard !user.isEmpty, !user.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7F || $0 == UInt8(ascii: ",") }) else {
            throw MappingError(.invalid, "cannot map image \(image) by krbd: user ID '\(user)' has a blank or a comma")
        }
    }

    func json(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return (try? encoder.encode(value)).map { Array($0) } ?? []
    }
}
