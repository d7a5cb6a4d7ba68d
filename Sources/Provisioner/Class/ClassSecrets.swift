internal import KubernetesAPI
internal import Synchronization
internal import Volumes

/// A pool with volumes of this Kubernetes cluster, and a Secret with a Ceph user for it.
package struct PoolSecret: Sendable, Hashable {
    /// The Ceph cluster's key in config.json.
    package let clusterID: String
    /// The pool of the images.
    package let pool: String
    /// Where the user is.
    package let secret: SecretReference
}

/// The Secrets for each pool, known before the first request for a volume there.
///
/// A class names its provisioner's Secret. A PersistentVolume names the Secret for its deletion, which is used if its
/// class is gone, or if the class' name contains `${…}`, which needs a claim.
final class ClassSecrets: Sendable {
    private let driverName: String
    private let flexDriver: String
    private let ofVolumes = Mutex<Set<PoolSecret>>([])

    /// With a Secret for each claim there may be very many; a few for each pool are enough.
    private static let mostOfVolumes = 1000

    init(_ settings: DriverSettings) {
        driverName = settings.driverName
        flexDriver = settings.flexDriver
    }

    /// Records the Secret of a PersistentVolume from the watch, because the cache does not keep annotations.
    func note(_ volume: PersistentVolume) {
        guard volume.provisionedBy == driverName, let details = volume.details,
            let attributes = VolumeAttributes(details, flexDriver: flexDriver),
            let id = try? VolumeID(parsing: attributes.handle),
            let secret = VolumeObject.deletionSecret(in: details.annotations)
        else { return }
        let found = PoolSecret(clusterID: id.clusterID, pool: id.pool, secret: secret)
        ofVolumes.withLock { known in
            guard known.count < Self.mostOfVolumes else { return }
            known.insert(found)
        }
    }

    /// All known Secrets, those of classes first; a pool may have several, and some may not exist any more.
    func all(_ classes: [StorageClass]) -> [PoolSecret] {
        let named = classes.compactMap(of)
        let others = ofVolumes.withLock(\.self).subtracting(named)
        return named
            + others.sorted { ($0.clusterID, $0.pool, "\($0.secret)") < ($1.clusterID, $1.pool, "\($1.secret)") }
    }

    /// The Secret that a class names without `${…}`; `nil` for a class of another provisioner or an invalid one.
    private func of(_ storageClass: StorageClass) -> PoolSecret? {
        guard storageClass.provisioner == driverName,
            let parameters = try? ClassParameters(storageClass.parameters),
            let images = try? VolumeParameters(parameters.driver),
            let secret = parameters.plainSecret(for: .provisioner)
        else { return nil }
        return PoolSecret(clusterID: images.clusterID, pool: images.pool, secret: secret)
    }
}
