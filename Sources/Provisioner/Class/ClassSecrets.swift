internal import KubernetesAPI
internal import Synchronization
internal import Volumes

/// A pool that volumes of this Kubernetes cluster lie in, and a Secret that holds a Ceph user for it.
package struct PoolSecret: Sendable, Hashable {
    /// The Ceph cluster's key in config.json.
    package let clusterID: String
    /// The pool of the images.
    package let pool: String
    /// Where the user is.
    package let secret: SecretReference
}

/// The Secrets by which a process finds its way into each pool, before anybody asks it for a volume there.
///
/// A class names its provisioner's Secret; a PersistentVolume names the one it is to be deleted with, which counts after
/// its class is gone, and where the class' name for it holds `${…}`, which only a claim can fill in.
final class ClassSecrets: Sendable {
    private let driverName: String
    private let flexDriver: String
    private let ofVolumes = Mutex<Set<PoolSecret>>([])

    /// A Secret of each claim's own would make as many as there are claims; a pool needs one.
    private static let mostOfVolumes = 1000

    init(_ settings: DriverSettings) {
        driverName = settings.driverName
        flexDriver = settings.flexDriver
    }

    /// Takes note of a PersistentVolume as it comes by: the cache does not keep its annotations.
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

    /// All that is known, those of classes first; a pool may have several, of which some may be gone.
    func all(_ classes: [StorageClass]) -> [PoolSecret] {
        let named = classes.compactMap(of)
        let others = ofVolumes.withLock(\.self).subtracting(named)
        return named
            + others.sorted { ($0.clusterID, $0.pool, "\($0.secret)") < ($1.clusterID, $1.pool, "\($1.secret)") }
    }

    /// The Secret that a class names outright; nothing for a class of somebody else, or one that cannot be used.
    private func of(_ storageClass: StorageClass) -> PoolSecret? {
        guard storageClass.provisioner == driverName,
            let parameters = try? ClassParameters(storageClass.parameters),
            let images = try? VolumeParameters(parameters.driver),
            let secret = parameters.plainSecret(for: .provisioner)
        else { return nil }
        return PoolSecret(clusterID: images.clusterID, pool: images.pool, secret: secret)
    }
}
