internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Synchronization

/// Whether the common snapshot controller, of external-snapshotter, runs in this cluster.
///
/// It does for all drivers what ours does for its own where there is none: binding, status and finalizers of VolumeSnapshots.
/// It tells itself by the Lease `snapshot-controller-leader`, in whatever namespace: it runs while somebody holds that and
/// renews it. Wall clocks are not compared: a Lease that we saw unchanged for longer than it says is nobody's.
///
/// One that runs without a Lease is not seen. Both then do the same deeds, on objects of the same names, each bound to what it
/// has read, so that the later one finds the deed done.
final class CommonController: Sendable {
    private struct Seen {
        var version: String
        var until: ContinuousClock.Instant
    }

    private struct State {
        var leases: [String: Seen] = [:]
        /// `nil` before the first look.
        var isThere: Bool?
    }

    static let leaseName = "snapshot-controller-leader"
    /// Between two looks.
    static let interval = Duration.seconds(10)
    /// Between two questions whether the kinds have come, which send nothing.
    private static let kindsInterval = Duration.seconds(1)
    /// A holder may be late.
    private static let patience = 2

    private let shop: Workshop
    private let state = Mutex(State())

    init(_ shop: Workshop) {
        self.shop = shop
    }

    /// Whether it runs; while nobody has looked, it is taken to.
    var isThere: Bool { state.withLock { $0.isThere ?? true } }

    /// Looks until the task is cancelled, while the cluster has the kinds of snapshots; tells when it came or went.
    func run(while hasKinds: @Sendable () -> Bool, _ changed: @Sendable () -> Void) async {
        while !Task.isCancelled {
            if hasKinds() {
                if await look() { changed() }
                try? await Task.sleep(for: Self.interval)
            } else {
                // What was seen before the kinds went says nothing of when they come back.
                forget()
                try? await Task.sleep(for: Self.kindsInterval)
            }
        }
    }

    private func forget() {
        state.withLock { state in
            state.leases = [:]
            state.isThere = nil
        }
    }

    /// Looks once; returns whether what was known has changed.
    func look() async -> Bool {
        let leases: [JSONValue]
        do throws(KubernetesError) {
            let query = [(name: "fieldSelector", value: "metadata.name=\(Self.leaseName)")]
            leases = try await shop.client.call(APICall(.get, APIPath.allLeases, query: query))["items"]?.elements ?? []
        } catch {
            guard error.status?.isForbidden ?? false else { return false }
            // The start says which right is missing. Without a look, none is taken to be there.
            leases = []
        }
        let now = ContinuousClock.now
        return state.withLock { state in
            var present: [String: Seen] = [:]
            for lease in leases {
                guard let metadata = ObjectMeta(lease), let holder = lease["spec", "holderIdentity"]?.string,
                    !holder.isEmpty
                else { continue }
                let seconds = max(1, min(lease["spec", "leaseDurationSeconds"]?.int64 ?? 15, 3600))
                if let known = state.leases[metadata.uid], known.version == metadata.resourceVersion {
                    present[metadata.uid] = known
                } else {
                    let until = now + .seconds(seconds) * Self.patience
                    present[metadata.uid] = Seen(version: metadata.resourceVersion, until: until)
                }
            }
            state.leases = present
            let isThere = present.values.contains { $0.until > now }
            defer { state.isThere = isThere }
            guard state.isThere != isThere else { return false }
            shop.logger.notice(
                isThere
                    ? "a snapshot-controller runs: binding, status and finalizers of VolumeSnapshots are left to it"
                    : "no snapshot-controller runs: VolumeSnapshots of this driver are bound here",
                metadata: [:]
            )
            return true
        }
    }
}
