internal import ExactText
internal import Secrets
internal import Synchronization

/// Limits against mistyped sizes: an image never shrinks again, and a file system that was grown far too much exhausts
/// the memory of every node that mounts it.
///
/// A volume may be larger than its pool, because images are thin-provisioned, but only by a factor, `poolSizeFactor` of
/// the class. The store checks the limits of the image's features and of its file system.
extension VolumeService {
    /// How many times the pool's capacity a volume may have, unless its class says otherwise.
    static let usualPoolSizeFactor: UInt64 = 10

    /// Refuses a new volume that is larger than its layout, its file system or its pool allow, or that mkfs cannot make
    /// one on; names the least limit, so that a retry with it succeeds.
    ///
    /// With `isMade` it has a file system already.
    func checkNew(
        _ what: String,
        _ sizeBytes: UInt64,
        _ use: FileSystemUse,
        _ request: CreateVolumeRequest,
        _ parameters: VolumeParameters,
        isMade: Bool = false
    ) async throws(VolumeError) {
        let largest = parameters.layout.largestBytes
        var refusals = use.sizeRefusal(what, sizeBytes).map { [(use.largestBytes, $0)] } ?? []
        // The file system of a source has its own limits, which growing it meets.
        if isMade { refusals = [] }
        if sizeBytes > largest {
            let refusal = VolumeError(
                .outOfRange,
                "cannot \(what) with \(sizeBytes.inBinaryUnits): an image of these features and objects has at most "
                    + "\(largest.inBinaryUnits); ask for less, or for larger objects or no object-map in the class"
            )
            refusals.append((largest, refusal))
        }
        let pool = PoolAddress(clusterID: parameters.clusterID, pool: parameters.layout.dataPool ?? parameters.pool)
        let found = await poolRefusal(
            what,
            sizeBytes,
            in: pool,
            parameters.poolSizeFactor,
            request.credentials,
            otherwise: "give another poolSizeFactor (0 for no limit)"
        )
        if let found { refusals.append(found) }
        if let least = refusals.min(by: { $0.0 < $1.0 }) { throw least.1 }
        if !isMade, let reason = await use.mkfsRefusal(sizeBytes, trial) {
            throw .invalid("cannot \(what): \(reason); correct the class")
        }
    }

    /// What a volume whose image is blank can grow to: what could be made at once.
    ///
    /// Nothing for a raw device, and for an image of another program, which may hold what Nacre does not know.
    func blankLimit(
        _ id: VolumeID,
        _ metadata: [String: String],
        to sizeBytes: UInt64,
        _ request: ExpandVolumeRequest
    ) async -> BlankLimit? {
        guard metadata[ImageMetadataKey.adopted] == nil else { return nil }
        let use = FileSystemUse(onImage: metadata, request.capability)
        let what = "expand volume '\(id)', which has no file system yet,"
        if let reason = NodeParameters.fault(in: metadata) {
            let key = ImageMetadataKey.nodeParameters
            let refusal = VolumeError(
                .failedPrecondition,
                "cannot \(what): \(reason); correct or remove it: rbd image-meta remove \(id.imageSpec.shellWord) \(key)"
            )
            return BlankLimit(largestBytes: 0, refusal: refusal)
        }
        if let refusal = use.sizeRefusal(what, sizeBytes) {
            return BlankLimit(largestBytes: use.largestBytes, refusal: refusal)
        }
        guard let reason = await use.mkfsRefusal(sizeBytes, trial) else { return nil }
        let refusal = VolumeError(.outOfRange, "cannot \(what): \(reason); ask for less")
        return BlankLimit(largestBytes: use.largestBytes, refusal: refusal)
    }

    /// Refuses growth beyond what the pool of the volume's data allows, as for a new one; the factor of its class is
    /// recorded on the image.
    func checkGrowth(
        _ id: VolumeID,
        _ metadata: [String: String],
        to sizeBytes: UInt64,
        ofDataIn dataPool: String?,
        _ credentials: Credentials
    ) async throws(VolumeError) {
        let pool = PoolAddress(clusterID: id.clusterID, pool: id.pool)
        let what = "expand volume '\(id)'"
        // The factor is the image's own since it was made: another class does not change it.
        let remedy =
            "raise the factor (0 for no limit): rbd image-meta set \(id.imageSpec.shellWord) "
            + "\(ImageMetadataKey.poolSizeFactor) 0"
        var factor: UInt64?
        if let text = metadata[ImageMetadataKey.poolSizeFactor] {
            factor = UInt64(text)
            let (key, image) = (ImageMetadataKey.poolSizeFactor, id.imageSpec.shellWord)
            if factor == nil {
                // What any factor allows needs none.
                guard await poolRefusal(what, sizeBytes, in: pool, 1, credentials, otherwise: remedy) != nil else {
                    return
                }
                throw VolumeError(
                    .failedPrecondition,
                    "cannot \(what): its image's metadata '\(key)' says '\(text.printable)', which is not a whole number; "
                        + "correct it: rbd image-meta set \(image) \(key) \(Self.usualPoolSizeFactor) (0 for no limit)"
                )
            }
        }
        guard factor != 0 else { return }
        // Its data may be in a pool that is smaller than its header's, or larger.
        if let (_, refusal) = await poolRefusal(
            what,
            sizeBytes,
            in: PoolAddress(clusterID: id.clusterID, pool: dataPool ?? id.pool),
            factor,
            credentials,
            otherwise: remedy
        ) {
            throw refusal
        }
    }

    /// The largest volume that the pool allows, in whole MiB; `nil` without a limit, or when Ceph does not say how large the pool is.
    func largestBytes(
        in pool: PoolAddress,
        _ factor: UInt64?,
        _ credentials: Credentials?
    ) async -> UInt64? {
        let factor = factor ?? Self.usualPoolSizeFactor
        guard factor > 0, let bytes = try? await store.poolBytes(pool, as: credentials) else { return nil }
        poolSizes.withLock { $0[pool] = bytes }
        let largest = bytes.multipliedReportingOverflow(by: factor)
        // Volumes are whole MiB: what is named here can be made.
        let unit = CapacityRange.granularityBytes
        return largest.overflow ? nil : largest.partialValue / unit * unit
    }

    /// The largest volume that the pool allows and the error that says so, or nothing if the size is allowed.
    private func poolRefusal(
        _ what: String,
        _ sizeBytes: UInt64,
        in pool: PoolAddress,
        _ factor: UInt64?,
        _ credentials: Credentials,
        otherwise remedy: String
    ) async -> (UInt64, VolumeError)? {
        let multiple = factor ?? Self.usualPoolSizeFactor
        // The pool's last known size is good enough: this check only prevents absurd sizes.
        let known = poolSizes.withLock { $0[pool] } ?? 0
        guard multiple > 0, sizeBytes / multiple >= known,
            let largest = await largestBytes(in: pool, factor, credentials), sizeBytes > largest
        else { return nil }
        // A full pool can hold nothing, however much is asked for; with room, the same may be allowed.
        if let lack = await store.lackOfRoom(in: pool, as: credentials) {
            return (0, VolumeError(.resourceExhausted, "cannot \(what) with \(sizeBytes.inBinaryUnits): \(lack)"))
        }
        let unit = CapacityRange.granularityBytes
        let refusal = VolumeError(
            .outOfRange,
            "cannot \(what) with \(sizeBytes.inBinaryUnits): pool '\(pool.pool)' can hold "
                + "\((largest / multiple / unit * unit).inBinaryUnits) in all, and a volume may have \(multiple) times that, "
                + "\(largest.inBinaryUnits); ask for less, or \(remedy)"
        )
        return (largest, refusal)
    }
}
