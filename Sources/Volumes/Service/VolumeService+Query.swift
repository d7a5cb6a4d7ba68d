internal import ExactText
public import Secrets

extension VolumeService {
    /// Whether the volume exists and can be used so.
    ///
    /// CSI: ValidateVolumeCapabilities.
    public func validateCapabilities(
        _ request: ValidateCapabilitiesRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> CapabilityVerdict {
        guard !request.volumeID.isEmpty else { throw .invalid("volume id is missing") }
        guard !request.capabilities.isEmpty else { throw .invalid("volume capabilities are missing; give one") }
        let id = try existing(request.volumeID)
        let record = try await query("validate volume '\(id)'", deadline) { () async throws(VolumeError) in
            try await self.presentImage(id, credentials: request.credentials)
        }
        for capability in request.capabilities {
            if let refusal = capability.refusal ?? capability.mountRefusal(nil, isMade: true) {
                return .refused(refusal)
            }
        }
        guard !request.parameters.isEmpty else { return .confirmed }
        do throws(VolumeError) {
            let parameters = try VolumeParameters(request.parameters)
            if !parameters.clusterID.isExactly(id.clusterID) || !parameters.pool.isExactly(id.pool) {
                return .refused("the volume lies in '\(id.clusterID)/\(id.pool)', not where the parameters say")
            }
            return record.difference(from: parameters.layout).map { .refused("the volume exists, but \($0)") }
                ?? .confirmed
        } catch {
            return .refused(error.message)
        }
    }

    /// A page of the volumes that there are.
    ///
    /// CSI: ListVolumes.
    public func listVolumes(
        maxEntries: Int32,
        startingToken: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumePage {
        guard maxEntries >= 0 else { throw .invalid("max entries are negative: \(maxEntries)") }
        let cursor = startingToken.isEmpty ? nil : try ImageCursor(token: startingToken)
        let limit = maxEntries == 0 ? 500 : min(Int(maxEntries), 1000)
        let found = try await query("list volumes", deadline) { () async throws(VolumeError) in
            enter(VolumeStep.listing)
            // One more than requested, to know whether there is a next page.
            return try await self.store.images(after: cursor, limit: limit + 1)
        }
        let page = found.images.prefix(limit)
        // With a cluster missing, another page follows that says so.
        let isLast = found.images.count <= limit && found.missing.isEmpty
        return VolumePage(
            volumes: page.map { image in
                Volume(
                    id: image.id,
                    capacityBytes: image.sizeBytes,
                    facts: image.facts,
                    source: ContentSource(metadata: image.facts.source)
                )
            },
            nextToken: isLast ? "" : page.last.map { ImageCursor($0.id, missing: found.missing).token } ?? ""
        )
    }

    /// Room left for volumes of these parameters.
    ///
    /// CSI: GetCapacity.
    public func capacity(
        parameters: [String: String],
        capabilities: [VolumeCapability],
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Capacity {
        // CSI: capacity for what we cannot make is none.
        guard capabilities.allSatisfy({ $0.refusal == nil }) else { return Capacity(availableBytes: 0) }
        var pool: PoolAddress?
        var largest = ImageLayout().largestBytes
        var factor: UInt64?
        if !parameters.isEmpty {
            let parameters = try VolumeParameters(parameters)
            largest = parameters.layout.largestBytes
            // Without a capability nobody says which file system the class's options are for.
            if !capabilities.isEmpty {
                largest = min(largest, try FileSystemUse(capabilities, parameters).largestBytes)
            }
            factor = parameters.poolSizeFactor
            pool = PoolAddress(
                clusterID: parameters.clusterID,
                pool: parameters.layout.dataPool ?? parameters.pool
            )
        }
        let wanted = pool
        // Of one cluster, another that is silent is no reason.
        var obstacle: (@Sendable () async -> String?)?
        let any = wanted.flatMap {
            try? VolumeID(clusterID: $0.clusterID, pool: $0.pool, namespace: "", image: "any")
        }
        if let any {
            let store = store
            obstacle = { await store.standstill(of: any, as: credentials) }
        }
        let available = try await query("read capacity", deadline, obstacle: obstacle) { () async throws(VolumeError) in
            enter(VolumeStep.readingCapacity, wanted?.pool ?? "any")
            return try await self.store.availableBytes(in: wanted, as: credentials)
        }
        if let wanted, let most = await largestBytes(in: wanted, factor, credentials) { largest = min(largest, most) }
        return Capacity(availableBytes: available, largestVolumeBytes: largest)
    }

    /// A volume and how it is.
    ///
    /// CSI: ControllerGetVolume.
    public func status(
        of volumeID: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumeStatus {
        guard !volumeID.isEmpty else { throw .invalid("volume id is missing") }
        let id = try existing(volumeID)
        let store = store
        let obstacle: @Sendable () async -> String? = { await store.standstill(of: id, as: nil) }
        return try await query("get volume '\(id)'", deadline, obstacle: obstacle) { () async throws(VolumeError) in
            enter(VolumeStep.lookingUp, id.imageSpec)
            let state = try await self.finding(id) { () async throws(VolumeError) in
                try await self.store.image(id, credentials: nil)
            }
            switch state {
            case .absent: throw await self.absence(of: id, nil)
            case .halfMade(let what):
                let condition = VolumeCondition(
                    isAbnormal: true,
                    message: "\(Self.halfMade(id, what)); where nothing of it is needed, create the volume again to "
                        + "mend it"
                )
                return VolumeStatus(volume: Volume(id: id, capacityBytes: 0), condition: condition)
            case .damaged(let what):
                let condition = VolumeCondition(
                    isAbnormal: true,
                    message: "image '\(id.imageSpec)' is damaged, so it \(VolumeCondition.undeletable): \(what)"
                )
                return VolumeStatus(volume: Volume(id: id, capacityBytes: 0), condition: condition)
            case .present(let record):
                let condition = try await self.store.condition(of: id)
                let facts = try await self.store.facts(of: id)
                let volume = Volume(
                    id: id,
                    capacityBytes: record.sizeBytes,
                    facts: facts,
                    source: ContentSource(metadata: facts.source)
                )
                return VolumeStatus(volume: volume, condition: condition)
            }
        }
    }

    /// Runs an operation that only reads: it joins no other, but has a deadline and reports its step.
    private func query<R: Sendable>(
        _ title: String,
        _ deadline: ContinuousClock.Instant,
        obstacle: (@Sendable () async -> String?)? = nil,
        _ body: @escaping @Sendable () async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R {
        let store = store
        return try await operations.runAlone(
            title,
            deadline: deadline,
            obstacle: obstacle ?? { await store.clustersSilence() },
            body
        )
    }
}

extension ImageCursor {
    init(_ id: VolumeID, missing: [String]) {
        self.init(clusterID: id.clusterID, pool: id.pool, image: id.image, missing: missing)
    }

    /// The cursor for the wire: `v1:clusterID/pool/image`, and the keys of missing clusters.
    var token: String { "v1:" + ([clusterID, pool, image] + missing).joined(separator: "/") }

    /// Reads a token; CSI requires `.aborted` for an unknown one.
    init(token: String) throws(VolumeError) {
        let parts = String(decoding: token.utf8.dropFirst(3), as: UTF8.self).parts(at: "/")
        guard token.startsExactly(with: "v1:"), parts.count >= 3, parts.allSatisfy({ !$0.isEmpty }) else {
            throw VolumeError(.aborted, "starting token '\(token.printable)' is not one of ours; start without a token")
        }
        self.init(clusterID: parts[0], pool: parts[1], image: parts[2], missing: Array(parts.dropFirst(3)))
    }
}
