internal import KubernetesAPI
internal import Logging
internal import Synchronization
internal import Volumes

/// Finds images that this cluster's controller made and that no claim and no PersistentVolume of it has.
///
/// It only reports: the cluster may have been restored from a backup that is older than the image, or a person may have
/// kept the image on purpose. An image is reported if two scans in a row find it, because volumes may be created or
/// deleted during a scan.
final class GarbageScan: Sendable {
    private struct State {
        var suspects: Set<String> = []
        var found: Set<String> = []
    }

    private static let interval = Duration.seconds(1800)
    /// The second scan follows soon, so that the remains of a crash are known within minutes.
    private static let firstInterval = Duration.seconds(120)
    /// How many images are named in the log; the gauge counts all.
    private static let mostNamed = 20

    private let shop: Workshop
    private let state = Mutex(State())

    init(_ shop: Workshop) {
        self.shop = shop
    }

    /// Images that nobody here has.
    var count: Int { state.withLock { $0.found.count } }

    /// Scans until the task is cancelled.
    func run() async {
        var interval = Self.firstInterval
        while !Task.isCancelled {
            do throws(VolumeError) {
                try await scan()
            } catch {
                // A controller without a Ceph user of its own cannot list images; this is not logged at every scan.
                if error.code != .failedPrecondition { shop.log(error, "cannot look for images that nobody has", [:]) }
            }
            try? await Task.sleep(for: interval)
            interval = state.withLock { $0.suspects.isEmpty } ? Self.interval : max(Self.firstInterval, interval)
        }
    }

    /// Lists images first and checks objects then, so that a volume that is created meanwhile is known at the check.
    func scan() async throws(VolumeError) {
        var images: [(handle: String, uid: String)] = []
        var token = ""
        // What can be listed is scanned, though clusters and pools may be missing; of those, what was known stays known.
        var missing: VolumeError?
        repeat {
            do throws(VolumeError) {
                let page = try await shop.service.listVolumes(
                    maxEntries: 500,
                    startingToken: token,
                    deadline: shop.deadline
                )
                // Without a header, no mark says whose it is.
                for volume in page.volumes where volume.capacityBytes > 0 && ImageName.endsInUUID(volume.id.image) {
                    images.append((volume.id.description, String(volume.id.image.suffix(36))))
                }
                token = page.nextToken
            } catch {
                guard !images.isEmpty else { throw error }
                missing = error
            }
        } while !token.isEmpty && missing == nil
        guard !images.isEmpty else { return state.withLock { $0 = State() } }
        let prefix = shop.settings.volumeNamePrefix
        let withoutVolume = images.filter { shop.volumes.object("\(prefix)-\($0.uid)") == nil }
        let suspected = Set(withoutVolume.map(\.uid))
        let claimed = Set(shop.claims.filter { suspected.contains($0.metadata.uid) }.map(\.metadata.uid))
        let orphans = try await ours(Set(withoutVolume.filter { !claimed.contains($0.uid) }.map(\.handle)))
        let listed = Set(images.map(\.handle))
        let new = state.withLock { state in
            let confirmed = orphans.intersection(state.suspects)
            let new = confirmed.subtracting(state.found)
            let unseen = { (handles: Set<String>) in
                missing.map { error in handles.subtracting(listed).filter { Self.mayLie($0, in: error.missing) } } ?? []
            }
            state = State(suspects: orphans.union(unseen(state.suspects)), found: confirmed.union(unseen(state.found)))
            return new
        }
        for handle in new.sorted().prefix(Self.mostNamed) {
            shop.logger.warning(
                "an image of this cluster has no claim and no PersistentVolume; nacre controller orphans list tells more",
                metadata: [LogKey.image: "\(handle)"]
            )
        }
        if let missing { throw missing }
    }

    /// Whether an image that was not listed may be there all the same: what is missing is told, or not told.
    private static func mayLie(_ handle: String, in places: [MissingPlace]) -> Bool {
        guard !places.isEmpty, let id = try? VolumeID(parsing: handle) else { return true }
        return places.contains { $0.holds(pool: id.pool, ofCluster: id.clusterID) }
    }

    /// The images that are marked with this cluster's id; others may belong to another cluster or a person.
    private func ours(_ handles: Set<String>) async throws(VolumeError) -> Set<String> {
        // While this cluster's id is unknown, no image counts as its own.
        guard let cluster = shop.cluster.text else { return [] }
        var ours: Set<String> = []
        for handle in handles {
            do throws(VolumeError) {
                let metadata = try await shop.service.metadata(of: handle, credentials: nil, deadline: shop.deadline)
                // What is written on a copy is of the image that it is a copy of.
                guard let id = try? VolumeID(parsing: handle), ImageOrigin(metadata, of: id) != .copied else {
                    continue
                }
                if metadata[ImageMetadataKey.kubernetesCluster] == cluster { ours.insert(handle) }
            } catch {
                guard error.code == .notFound else { throw error }
            }
        }
        return ours
    }
}
