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

    /// Refuses a new volume that is larger than its layout or its pool allow.
    func checkSize(
        of what: String,
        _ sizeBytes: UInt64,
        _ parameters: VolumeParameters,
        _ credentials: Credentials
    ) async throws(VolumeError) {
        let largest = parameters.layout.largestBytes
        guard sizeBytes <= largest else {
            throw VolumeError(
                .outOfRange,
                "cannot create \(what) with \(sizeBytes.inBinaryUnits): an image of these features and objects has at "
                    + "most \(largest.inBinaryUnits); ask for less, or for larger objects or no object-map in the class"
            )
        }
        let pool = PoolAddress(
            clusterID: parameters.clusterID,
            pool: parameters.layout.dataPool ?? parameters.pool
        )
        try await checkSize("create \(what)", sizeBytes, in: pool, parameters.poolSizeFactor, credentials)
    }

    /// Refuses growth beyond what the volume's pool allows; the factor of its class is recorded on the image.
    func checkGrowth(_ id: VolumeID, to sizeBytes: UInt64, _ credentials: Credentials) async throws(VolumeError) {
        let pool = PoolAddress(clusterID: id.clusterID, pool: id.pool)
        let what = "expand volume '\(id)'"
        do throws(VolumeError) {
            return try await checkSize(what, sizeBytes, in: pool, nil, credentials)
        } catch {
            guard error.code == .outOfRange else { throw error }
        }
        // Its data may be in another pool, or its class may raise the limit.
        let metadata = try await store.metadata(of: id, credentials: credentials) ?? [:]
        let factor = metadata[ImageMetadataKey.poolSizeFactor].flatMap { UInt64($0) }
        let data = try await presentImage(id, credentials: credentials).dataPool
        let dataPool = PoolAddress(clusterID: id.clusterID, pool: data ?? id.pool)
        try await checkSize(what, sizeBytes, in: dataPool, factor, credentials)
    }

    /// The largest volume that the pool allows; `nil` without a limit, or when Ceph does not say how large the pool is.
    func largestBytes(
        in pool: PoolAddress,
        _ factor: UInt64?,
        _ credentials: Credentials?
    ) async -> UInt64? {
        let factor = factor ?? Self.usualPoolSizeFactor
        guard factor > 0, let bytes = try? await store.poolBytes(pool, as: credentials) else { return nil }
        poolSizes.withLock { $0[pool] = bytes }
        let largest = bytes.multipliedReportingOverflow(by: factor)
        return largest.overflow ? nil : largest.partialValue
    }

    private func checkSize(
        _ what: String,
        _ sizeBytes: UInt64,
        in pool: PoolAddress,
        _ factor: UInt64?,
        _ credentials: Credentials
    ) async throws(VolumeError) {
        let multiple = factor ?? Self.usualPoolSizeFactor
        // The pool's last known size is good enough: this check only prevents absurd sizes.
        let known = poolSizes.withLock { $0[pool] } ?? 0
        guard multiple > 0, sizeBytes / multiple >= known,
            let largest = await largestBytes(in: pool, factor, credentials), sizeBytes > largest
        else { return }
        let unit = CapacityRange.granularityBytes
        throw VolumeError(
            .outOfRange,
            "cannot \(what) with \(sizeBytes.inBinaryUnits): pool '\(pool.pool)' can hold "
                + "\((largest / multiple / unit * unit).inBinaryUnits) in all, and a volume may have \(multiple) times that, "
                + "\((largest / unit * unit).inBinaryUnits); ask for less, or have a class with another poolSizeFactor (0 for "
                + "no limit)"
        )
    }
}
