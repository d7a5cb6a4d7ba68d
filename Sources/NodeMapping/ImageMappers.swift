internal import FoundationEssentials
public import ImageMapping
public import ImageServing
public import LinuxKernel
public import Logging
internal import SystemPackage

/// A node's mappers; an image is mapped by one of them at a time.
///
/// The mapping's record names the mapper, so that a service which was restarted with another preference finds it.
public final class ImageMappers: Sendable {
    private let stateDirectory: String
    private let mappers: [any ImageMapper]
    private let logger: Logger

    /// Gathers mappers.
    ///
    /// - Parameters:
    ///   - mappers: In the order in which `auto` tries them.
    ///   - stateDirectory: Where they keep their mappings, such as `/var/lib/nacre`.
    ///   - logger: Where to tell of a choice.
    public init(_ mappers: [any ImageMapper], stateDirectory: String, logger: Logger) {
        self.mappers = mappers
        self.stateDirectory = stateDirectory
        self.logger = logger
    }

    /// Maps the image to a block device by the chosen mapper, or finds its existing one.
    ///
    /// - Parameters:
    ///   - request: The image and how.
    ///   - choice: Which mapper.
    ///   - observer: Told of each step.
    /// - Returns: The device.
    /// - Throws: `MappingError`; if several mappers were tried, it says why each failed.
    public func map(
        _ request: MapRequest,
        by choice: MapperChoice = .auto,
        observer: MappingObserver = { _, _ in }
    ) throws(MappingError) -> MappedDevice {
        do throws(MappingError) {
            return try mapPresent(request, by: choice, observer)
        } catch {
            throw error.naming(request)
        }
    }

    private func mapPresent(
        _ request: MapRequest,
        by choice: MapperChoice,
        _ observer: MappingObserver
    ) throws(MappingError) -> MappedDevice {
        if let present = try present(request.image) {
            if try present.device(of: request.image) != nil {
                guard choice.mayFallBack || choice.preferred == present.kind else {
                    throw MappingError(
                        .inUse,
                        "cannot map image \(request.image) by \(choice.preferred?.rawValue ?? "auto"): it is mapped by "
                            + "\(present.kind) here; end its use here first"
                    )
                }
                return try present.map(request, observer: observer)
            }
            guard let preferred = choice.preferred, preferred != present.kind else {
                // The mapper of the record removes what it left by itself.
                let again = MapperChoice(preferred: present.kind, mayFallBack: choice.mayFallBack)
                return try mapAnew(request, again, remains: present.kind, observer)
            }
            try present.unmap(request.image, observer: observer)
        }
        return try mapAnew(request, choice, remains: nil, observer)
    }

    /// Maps by the first mapper that can; a mapper that fails leaves nothing that hinders the next one.
    private func mapAnew(
        _ request: MapRequest,
        _ choice: MapperChoice,
        remains: MapperKind?,
        _ observer: MappingObserver
    ) throws(MappingError) -> MappedDevice {
        var reasons: [String] = []
        for kind in choice.order(of: mappers.map(\.kind)) {
            guard let mapper = mappers.first(where: { $0.kind == kind }) else {
                reasons.append("\(kind): not offered here")
                continue
            }
            if let lack = mapper.lack() {
                reasons.append("\(kind): \(lack)")
                if kind == remains { try mapper.unmap(request.image, observer: observer) }
                continue
            }
            do throws(MappingError) {
                return try mapper.map(request, observer: observer)
            } catch  where error.kind == .unsupported && choice.mayFallBack {
                logger.notice("trying another mapper", metadata: ["image": "\(request.image)", "why": "\(error)"])
                reasons.append("\(kind): \(error)")
                try mapper.unmap(request.image, observer: observer)
            }
        }
        throw MappingError(.unsupported, "cannot map image \(request.image): \(reasons.joined(separator: "; "))")
    }

    /// Resizes the device to the image's size and returns it in bytes.
    public func grow(
        _ image: ImageAddress,
        toAtLeast bytes: UInt64 = 0,
        observer: MappingObserver = { _, _ in }
    ) throws(MappingError) -> UInt64 {
        guard let mapper = try present(image) else {
            throw MappingError(.notFound, "cannot grow the device of image \(image): it is not mapped here")
        }
        return try mapper.grow(image, toAtLeast: bytes, observer: observer)
    }

    /// Nacre's keys of the metadata of an image that is mapped here, `nacre.io/…`.
    public func metadata(_ request: MapRequest) throws(MappingError) -> [String: String] {
        try mapped(request.image).metadata(request)
    }

    /// Changes a key of an image that is mapped here, unless another client has changed it meanwhile.
    public func apply(_ change: MetadataChange, _ request: MapRequest) throws(MappingError) {
        try mapped(request.image).apply(change, request)
    }

    /// Whether any object exists that holds a part of a range of an image that is mapped here; `nil` if that cannot be
    /// told within seconds.
    public func holdsObjects(_ request: MapRequest, in range: Range<UInt64>) throws(MappingError) -> Bool? {
        try mapped(request.image).holdsObjects(request, in: range)
    }

    private func mapped(_ image: ImageAddress) throws(MappingError) -> any ImageMapper {
        guard let mapper = try present(image) else {
            throw MappingError(.notFound, "image \(image) is not mapped here any more; stage its volume again")
        }
        return mapper
    }

    /// The device of an image; `nil` if it is not mapped or its server is dead.
    public func device(of image: ImageAddress) throws(MappingError) -> MappedDevice? {
        try present(image)?.device(of: image)
    }

    /// Which image is mapped, and which one has its name now; `nil` when it is not mapped, or that cannot be told here.
    ///
    /// - Parameters:
    ///   - image: The image, by the name that it was mapped by.
    ///   - request: How it was mapped; nothing when the caller does not know.
    ///   - seconds: How long a server may take.
    /// - Returns: Both.
    /// - Throws: `MappingError` of kind `.unavailable` when the cluster does not answer.
    public func whereabouts(
        of image: ImageAddress,
        _ request: MapRequest?,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts? {
        try present(image)?.whereabouts(of: image, request, within: seconds)
    }

    /// What the image's server found last of that, at once; `nil` if it has none, or none that knows.
    public func lastWhereabouts(of image: ImageAddress) -> ImageWhereabouts? {
        ImageServers(stateDirectory: stateDirectory).lastWhereabouts(of: image)
    }

    /// Writes down which image is mapped, where that is not known, for the server that takes over from a dead one; not
    /// beside another call for the image.
    ///
    /// The kernel knows which image it has, and has no record for that.
    public func note(_ identity: ImageIdentity, of image: ImageAddress) throws(MappingError) {
        guard let mapper = try present(image), mapper.kind != .krbd else { return }
        do throws(KernelError) {
            try MappingRecord.note(
                identity,
                in: MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
            )
        } catch {
            throw MappingError("write down which image \(image) is", error)
        }
    }

    /// Whether `map` would find the device that the image has here, and not replace it by another one.
    public func keepsDevice(of image: ImageAddress) throws(MappingError) -> Bool {
        try present(image)?.keepsDevice(of: image) ?? false
    }

    /// The devices of an image, by its record or according to the kernel; without an image, all devices of this
    /// service.
    ///
    /// - Parameter image: The image; `nil` for all.
    /// - Returns: Their numbers.
    /// - Throws: `MappingError`.
    public func devices(of image: ImageAddress?) throws(MappingError) -> Set<DeviceNumber> {
        var devices: Set<DeviceNumber> = []
        let images = if let image { [image] } else { try images() }
        for image in images {
            if let device = try device(of: image)?.device { devices.insert(device) }
        }
        for mapper in mappers { devices.formUnion(try mapper.unrecordedDevices(of: image)) }
        return devices
    }

    /// Removes the device and verifies it; succeeds if nothing is there.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - monitors: Its cluster's monitors, to find devices without a record in the kernel; without them these are not
    ///     searched.
    ///   - observer: Told of each step.
    /// - Throws: `MappingError`.
    public func unmap(
        _ image: ImageAddress,
        monitors: [String] = [],
        observer: MappingObserver = { _, _ in }
    ) throws(MappingError) {
        let directory = MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
        if !monitors.isEmpty, MappingRecord.read(directory) == nil {
            for mapper in mappers { try mapper.unmapUnrecorded(image, monitors: monitors, observer: observer) }
        }
        try present(image)?.unmap(image, observer: observer)
    }

    /// The images with a record here, mapped completely or in part.
    public func images() throws(MappingError) -> [ImageAddress] {
        do throws(KernelError) {
            let directory = "\(stateDirectory)/mappings"
            guard try FileKind.of(directory) != nil else { return [] }
            return try KernelFile.names(in: directory).compactMap { name in
                let record = MappingDirectory(path: "\(directory)/\(name)").record
                guard let bytes = try? KernelFile.bytes(record) else { return nil }
                return try? JSONDecoder().decode(NamedImage.self, from: Data(bytes)).image
            }
        } catch {
            throw MappingError("list the mappings", error)
        }
    }

    /// What the records of all mappers begin with.
    private struct NamedImage: Decodable {
        let image: ImageAddress
    }

    /// The state of the image's server; `nil` if it has none.
    public func serverStatus(of image: ImageAddress) -> ImageServerStatus? {
        ImageServers(stateDirectory: stateDirectory).status(of: image)
    }

    /// Which of the mappers has a record of the image.
    private func present(_ image: ImageAddress) throws(MappingError) -> (any ImageMapper)? {
        let directory = MappingDirectory(path: "\(stateDirectory)/mappings/\(image.fileName)")
        let bytes: [UInt8]
        do throws(KernelError) {
            guard try FileKind.of(directory.path) != nil else { return nil }
            // A crash can leave a directory without a record; any mapper removes it.
            guard try FileKind.of(directory.record) != nil else { return mappers.first { $0.kind == .fuse } }
            bytes = try KernelFile.bytes(directory.record)
        } catch {
            throw MappingError("find the mapping of image \(image)", error)
        }
        let kind = (try? JSONDecoder().decode(MappingRecord.self, from: Data(bytes)))?.mapper ?? .fuse
        guard let mapper = mappers.first(where: { $0.kind == kind }) else {
            throw MappingError(.host, "image \(image) is mapped by \(kind), which this service does not offer")
        }
        return mapper
    }
}
