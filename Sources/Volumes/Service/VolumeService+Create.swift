internal import ExactText
internal import Secrets

extension VolumeService {
    /// Creates a volume, or finds the one that an earlier call with that name created.
    ///
    /// CSI: CreateVolume.
    public func createVolume(
        _ request: CreateVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Volume {
        let parameters = try VolumeParameters(request.parameters)
        guard !request.capabilities.isEmpty else { throw .invalid("volume capabilities are missing; give one") }
        for capability in request.capabilities {
            if let refusal = capability.refusal { throw .invalid(refusal) }
            if let refusal = capability.mountRefusal(parameters.fileSystem, isMade: true) { throw .invalid(refusal) }
        }
        let use = try FileSystemUse(request.capabilities, parameters)
        let sizeBytes = try request.range.newSizeBytes(atLeast: use.smallestBytes, for: use.description)
        let id = try handle(of: request.name, parameters)
        let origin = try cloneOrigin(request, parameters)
        return try await operations.run(
            "create volume '\(request.name)'",
            on: id.description,
            // Two names can lead to one image, and one name can be wanted for two uses.
            fingerprint: Self.fingerprint(request),
            deadline: deadline,
            obstacle: { await self.store.standstill(of: id, as: request.credentials) }
        ) { () async throws(VolumeError) -> Volume in
            let made: Made
            do throws(VolumeError) {
                made = try await self.makeImage(id, sizeBytes: sizeBytes, use, request, parameters, origin)
            } catch {
                guard error.isOfMissingPlace else { throw error }
                let hint = "; name another pool, or make this one: ceph osd pool create, then rbd pool init"
                throw .invalid(error.message + hint)
            }
            enter(VolumeStep.answering, id.imageSpec)
            return Volume(
                id: id,
                capacityBytes: made.sizeBytes,
                context: Self.context(id, made.parameters),
                source: request.source
            )
        }
    }

    /// Equal for requests that ask for the same; written out, because printing a structure looks at its fields by
    /// reflection, which took 4 % of a create.
    private static func fingerprint(_ request: CreateVolumeRequest) -> String {
        let uses = request.capabilities.map { capability in
            switch capability.access {
            case .block: "block \(capability.mode.rawValue)"
            case .mount(let mount):
                "\(mount.fsType.debugDescription) \(mount.mountFlags.map(\.debugDescription).joined(separator: ",")) "
                    + "\(capability.mode.rawValue)"
            }
        }
        let parameters = request.parameters.sorted { $0.key < $1.key }
            .map { "\($0.key.debugDescription) \($0.value.debugDescription)" }
        return "create \(request.name.debugDescription) \(request.range.requiredBytes) \(request.range.limitBytes) "
            + "\(uses.joined(separator: ", ")); \(parameters.joined(separator: ", ")); "
            + "\(request.credentials.userID.debugDescription) \(request.source?.description ?? "")"
    }

    /// The handle that a volume with this name and class has, whether it exists or not; sends no request.
    public func handle(of name: String, parameters: [String: String]) throws(VolumeError) -> VolumeID {
        try handle(of: name, VolumeParameters(parameters))
    }

    private func handle(of name: String, _ parameters: VolumeParameters) throws(VolumeError) -> VolumeID {
        let image = try ImageName.image(forRequest: name, prefix: parameters.volumeNamePrefix)
        let namespace = try store.namespace(ofCluster: parameters.clusterID)
        if let named = parameters.radosNamespace, !named.isExactly(namespace) {
            throw .invalid(
                "parameter radosNamespace '\(named.printable)' is not that of cluster '\(parameters.clusterID)' in "
                    + "config.json, '\(namespace)'; drop the parameter"
            )
        }
        return try VolumeID(
            clusterID: parameters.clusterID,
            pool: parameters.pool,
            namespace: namespace,
            image: image
        )
    }

    private static func metadata(
        _ request: CreateVolumeRequest,
        _ parameters: VolumeParameters
    ) -> [String: String] {
        var metadata = parameters.claimMetadata
        metadata[ImageMetadataKey.requestName] = request.name
        // The class's values at the time of the create count: an image does not name its class.
        metadata[ImageMetadataKey.trashRetention] = parameters.trashRetention.map { "\($0.seconds)" }
        metadata[ImageMetadataKey.fileSystem] = FileSystemUse.mark(request.capabilities, parameters)
        metadata[ImageMetadataKey.poolSizeFactor] = parameters.poolSizeFactor.map { "\($0)" }
        // Also where there are none: it tells a volume whose parameters were all written from an earlier release's.
        metadata[ImageMetadataKey.nodeParameters] = NodeParameters.text(of: parameters.kept) ?? "{}"
        metadata[ImageMetadataKey.source] = request.source?.handle
        return metadata
    }

    /// What the volume is: its size, and the parameters that it takes along.
    private struct Made: Sendable {
        let sizeBytes: UInt64
        let parameters: [String: String]
    }

    /// Looks up, creates or repairs the image, a limited number of times, because another process may do the same.
    private func makeImage(
        _ id: VolumeID,
        sizeBytes: UInt64,
        _ use: FileSystemUse,
        _ request: CreateVolumeRequest,
        _ parameters: VolumeParameters,
        _ origin: CloneOrigin?
    ) async throws(VolumeError) -> Made {
        let metadata = Self.metadata(request, parameters)
        var isUnseen = false
        for _ in 0..<4 {
            enter(VolumeStep.lookingUp, id.imageSpec)
            // Most names are new, and what has a name without being listed shows when the name is taken.
            let isVacant =
                if origin == nil { try await store.isVacant(id, credentials: request.credentials) } else { false }
            switch isVacant ? .absent : try await store.image(id, credentials: request.credentials) {
            case .present(let record):
                guard let present = try await store.metadata(of: id, credentials: request.credentials) else { continue }
                guard ImageOrigin(present, of: id).isOurs else {
                    guard try await !removeHalfMadeClone(id, request) else { continue }
                    // It refuses an image that is not Nacre's, and marks one whose create was killed before it did so.
                    try await store.setMetadata([:], of: id, credentials: request.credentials)
                    continue
                }
                let repeated = RepeatedCreate(id: id, wanted: metadata, present: present)
                if let difference = repeated.difference {
                    throw VolumeError(.alreadyExists, "volume '\(request.name)' \(difference)")
                }
                try Self.checkFits(record, request, parameters)
                enter(VolumeStep.settingMetadata, id.imageSpec)
                // Also when nothing is missing: it refuses an image that is not Nacre's any more.
                try await store.setMetadata(repeated.missing, of: id, credentials: request.credentials)
                if let origin { try await store.endClone(id, of: origin, credentials: request.credentials) }
                return Made(sizeBytes: record.sizeBytes, parameters: repeated.kept(parameters.kept))
            case .halfMade, .damaged:
                guard try await !removeHalfMadeClone(id, request) else { continue }
                try await mend(id, request)
            case .absent:
                do throws(VolumeError) {
                    let new = NewImage(id: id, sizeBytes: sizeBytes, metadata: metadata, use: use)
                    return Made(
                        sizeBytes: try await make(new, request, parameters, origin, isVacant: isVacant),
                        parameters: parameters.kept
                    )
                } catch {
                    guard error.code == .alreadyExists else { throw error }
                    let found = try await store.image(id, credentials: request.credentials)
                    // Someone else made it just now.
                    if case .present = found { continue }
                    // Another process is removing it and has not finished, or a part is left that a lookup does not
                    // find.
                    if found == .absent, !isUnseen {
                        isUnseen = true
                        try? await Task.sleep(for: .milliseconds(200))
                        continue
                    }
                    guard try await !removeHalfMadeClone(id, request) else { continue }
                    try await mend(id, request)
                }
            }
        }
        throw VolumeError(
            .aborted,
            "cannot create image '\(id.imageSpec)': it appears and disappears, another program works on it; retry later"
        )
    }

    /// An image that is to be made.
    private struct NewImage: Sendable {
        let id: VolumeID
        let sizeBytes: UInt64
        let metadata: [String: String]
        let use: FileSystemUse
    }

    /// Makes the image, empty or from its source, and returns its size in bytes; `.alreadyExists` if there is one.
    private func make(
        _ new: NewImage,
        _ request: CreateVolumeRequest,
        _ parameters: VolumeParameters,
        _ origin: CloneOrigin?,
        isVacant: Bool
    ) async throws(VolumeError) -> UInt64 {
        let what = "create volume '\(request.name)'"
        if let origin {
            let source = try await readSource(origin, new.use, request, parameters)
            let sizeBytes = try Self.cloneSizeBytes(request, origin, source.sizeBytes)
            try await checkNew(what, sizeBytes, new.use, request, parameters, isMade: true)
            enter(SnapshotStep.beginningClone, new.id.imageSpec)
            return try await store.cloneImage(
                new.id,
                of: origin,
                sized: { (bytes) throws(VolumeError) in try Self.cloneSizeBytes(request, origin, bytes) },
                layout: parameters.layout,
                metadata: new.metadata,
                credentials: request.credentials
            )
        }
        for capability in request.capabilities {
            let refusal = capability.mountRefusal(parameters.fileSystem, isMade: false)
            if let refusal { throw .invalid("cannot \(what): \(refusal)") }
        }
        try await checkNew(what, new.sizeBytes, new.use, request, parameters)
        enter(VolumeStep.creatingImage, new.id.imageSpec)
        try await store.createImage(
            new.id,
            sizeBytes: new.sizeBytes,
            layout: parameters.layout,
            metadata: new.metadata,
            isVacant: isVacant,
            credentials: request.credentials
        )
        return new.sizeBytes
    }

    /// Whether there was what a killed clone left.
    private func removeHalfMadeClone(
        _ id: VolumeID,
        _ request: CreateVolumeRequest
    ) async throws(VolumeError) -> Bool {
        try await store.removeHalfMadeClone(id, credentials: request.credentials)
    }

    private func mend(_ id: VolumeID, _ request: CreateVolumeRequest) async throws(VolumeError) {
        enter(VolumeStep.mendingImage, id.imageSpec)
        try await store.mendImage(id, credentials: request.credentials)
    }

    private static func checkFits(
        _ record: ImageRecord,
        _ request: CreateVolumeRequest,
        _ parameters: VolumeParameters
    ) throws(VolumeError) {
        guard request.range.contains(record.sizeBytes) else {
            throw VolumeError(
                .alreadyExists,
                "volume '\(request.name)' exists with \(record.sizeBytes.inBinaryUnits), which is not in the range asked "
                    + "for: required \(request.range.requiredBytes.inBinaryUnits), "
                    + "limit \(request.range.limitBytes == 0 ? "none" : request.range.limitBytes.inBinaryUnits)"
            )
        }
        if let difference = record.difference(from: parameters.layout) {
            throw VolumeError(.alreadyExists, "volume '\(request.name)' exists, but \(difference)")
        }
    }

    /// The PV's volumeAttributes, as ceph-csi writes them.
    private static func context(_ id: VolumeID, _ parameters: [String: String]) -> [String: String] {
        var context = parameters
        context["pool"] = id.pool
        context["imageName"] = id.image
        if !id.namespace.isEmpty { context["radosNamespace"] = id.namespace }
        return context
    }
}
