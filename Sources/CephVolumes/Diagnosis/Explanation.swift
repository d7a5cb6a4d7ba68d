internal import ExactText
internal import RBD
internal import SystemPackage
internal import Volumes

/// Why a call failed, from the state of its cluster, pool and image, which Ceph's errno does not tell.
struct Explanation: Sendable {
    let code: VolumeError.Code
    /// Why, and after a semicolon what to do.
    let words: String

    /// Finds the reason; `nil` if the errno says everything that is known.
    ///
    /// - Parameters:
    ///   - error: What came back.
    ///   - id: The image that it was about.
    ///   - layout: The layout for a create; `nil` for a call on an existing image.
    ///   - state: What the monitors say.
    ///   - features: The image's features, if it exists; with `nonPrimary` for any copy of rbd-mirror.
    init?(
        of error: RBDError,
        on id: VolumeID,
        creating layout: ImageLayout?,
        in state: ClusterState,
        features: ImageFeatures?
    ) {
        let pools = [id.pool] + [layout?.dataPool].compactMap(\.self)
        let found: Explanation? =
            switch error.code {
            case .noSpace, .diskQuotaExceeded:
                state.standstill(ofPools: pools).map { Explanation(.resourceExhausted, $0) }
            case .timedOut:
                state.standstill(ofPools: pools).map {
                    Explanation(.unavailable, "the cluster did not answer in time: \($0)")
                }
            case .permissionDenied, .notPermitted:
                // A journal that another cluster owns also ends in EPERM.
                Self.foreignPool(pools, state) ?? features.flatMap { Self.copyOfMirror(id, $0) }
            case .noSuchFileOrDirectory: layout.flatMap { Self.missing(id, $0, state) }
            default: Self.unfitPool(id, layout, state) ?? features.flatMap { Self.unfitImage(id, $0) }
            }
        guard let found else { return nil }
        self = found
    }

    /// Why nothing can be done with an image of these features; `nil` if they are no reason.
    init?(unfit id: VolumeID, _ features: ImageFeatures) {
        guard let found = Self.unfitImage(id, features) else { return nil }
        self = found
    }

    private init(_ code: VolumeError.Code, _ words: String) {
        self.code = code
        self.words = words
    }

    private static func missing(_ id: VolumeID, _ layout: ImageLayout, _ state: ClusterState) -> Explanation? {
        if let dataPool = layout.dataPool, !state.pools.isEmpty, state.pool(dataPool) == nil {
            return Explanation(
                .invalidArgument,
                "the cluster has no pool '\(dataPool)' for its data; create it, or name another one by the parameter dataPool"
            )
        }
        guard !id.namespace.isEmpty else { return nil }
        return Explanation(
            .invalidArgument,
            "pool '\(id.pool)' has no RADOS namespace '\(id.namespace)'; run: rbd namespace create --pool "
                + "\(id.pool.shellWord) --namespace \(id.namespace.shellWord), or correct config.json"
        )
    }

    private static func foreignPool(_ pools: [String], _ state: ClusterState) -> Explanation? {
        for pool in pools.compactMap({ state.pool($0) }) where !pool.applicationNames.contains("rbd") {
            let names = pool.applicationNames.joined(separator: ", ")
            return Explanation(
                .permissionDenied,
                names.isEmpty
                    ? "pool '\(pool.name)' was never prepared for images; run: rbd pool init \(pool.name.shellWord)"
                    : "pool '\(pool.name)' is not for images but for \(names); name another pool"
            )
        }
        return nil
    }

    private static func unfitPool(_ id: VolumeID, _ layout: ImageLayout?, _ state: ClusterState) -> Explanation? {
        if let pool = state.pool(id.pool), pool.isErasureCoded {
            return Explanation(
                .invalidArgument,
                "pool '\(pool.name)' is erasure-coded, which images' headers cannot be in; name a replicated pool by "
                    + "the parameter pool, and this one by dataPool"
            )
        }
        if let dataPool = layout?.dataPool, let pool = state.pool(dataPool), !pool.allowsOverwrites {
            return Explanation(
                .invalidArgument,
                "pool '\(pool.name)' is erasure-coded without overwrites, which images' data needs; run: "
                    + "ceph osd pool set \(pool.name.shellWord) allow_ec_overwrites true"
            )
        }
        for pool in ([id.pool] + [layout?.dataPool].compactMap(\.self)).compactMap({ state.pool($0) })
        where pool.hasPoolSnapshots {
            return Explanation(
                .invalidArgument,
                "pool '\(pool.name)' has snapshots of the whole pool, so that images cannot have their own; "
                    + "name another pool"
            )
        }
        return nil
    }

    private static func unfitImage(_ id: VolumeID, _ features: ImageFeatures) -> Explanation? {
        if let copy = copyOfMirror(id, features) { return copy }
        if features.contains(.migrating) {
            return Explanation(
                .failedPrecondition,
                "it is being migrated; end that first: rbd migration commit \(id.imageSpec.shellWord), or rbd migration abort"
            )
        }
        let unknown = features.subtracting(.known)
        guard !unknown.isEmpty else { return nil }
        return Explanation(
            .failedPrecondition,
            "it has features that this Ceph client does not know (bits 0x\(String(unknown.rawValue, radix: 16))); "
                + "it was made by a newer Ceph: upgrade, or disable them with that"
        )
    }

    private static func copyOfMirror(_ id: VolumeID, _ features: ImageFeatures) -> Explanation? {
        guard features.contains(.nonPrimary) else { return nil }
        return Explanation(
            .failedPrecondition,
            "it is a copy that rbd-mirror keeps, not the primary image; work on the primary, or promote this one: "
                + "rbd mirror image promote \(id.imageSpec.shellWord)"
        )
    }
}
