import JSON
import KubernetesAPI
import Synchronization

/// The volume of a pod's claim, read from the API server once: while the pod exists, its claim keeps the volume.
///
/// A node has a hundred pods, and a cluster thousands of nodes. So only the sizes of these few volumes are read more
/// than once.
final class PodClaims: Sendable {
    private enum Answer {
        case notOurs
        case ours(LocalVolume, readAt: ContinuousClock.Instant)
    }

    private struct Key: Hashable {
        let podUID: String
        let claim: String
    }

    private let client: KubernetesClient
    private let driverName: String
    private let directory: String
    private let answers = Mutex<[Key: Answer]>([:])

    /// After that a volume may have grown.
    private static let age = Duration.seconds(25)

    init(client: KubernetesClient, driverName: String, directory: String) {
        self.client = client
        self.driverName = driverName
        self.directory = directory
    }

    /// Forgets the pods that are gone.
    func forgetAll(but podUIDs: Set<String>) {
        answers.withLock { answers in answers = answers.filter { podUIDs.contains($0.key.podUID) } }
    }

    /// The claim's volume, if it is one of Nacre's `local` volumes; `nil` while the claim has none.
    func volume(of named: LocalPod.Claim, of pod: LocalPod) async throws(KubernetesError) -> LocalVolume? {
        let name = named.name
        let key = Key(podUID: pod.metadata.uid, claim: name)
        switch answers.withLock({ $0[key] }) {
        case .notOurs: return nil
        case .ours(let volume, let readAt) where .now - readAt < Self.age: return volume
        default: break
        }
        guard let claimObject = try await object(APIPath.claim(pod.metadata.namespace, name), named: name),
            let claim = PersistentVolumeClaim(claimObject), !claim.volumeName.isEmpty,
            !named.isEphemeral || Self.isOwned(claimObject, by: pod),
            let volumeObject = try await object(APIPath.persistentVolume(claim.volumeName), named: claim.volumeName),
            let volume = PersistentVolume(volumeObject), volume.claim?.uid == claim.metadata.uid
        else { return nil }
        let local = LocalVolume(volume, driverName: driverName, directory: directory)
        answers.withLock { $0[key] = local.map { .ours($0, readAt: .now) } ?? .notOurs }
        return local
    }

    /// Whether a claim was made for that pod.
    ///
    /// See: k8s.io/component-helpers, `ephemeral.VolumeIsForPod`.
    static func isOwned(_ claim: JSONValue, by pod: LocalPod) -> Bool {
        (claim["metadata", "ownerReferences"]?.elements ?? []).contains { owner in
            owner["controller"]?.bool == true && owner["uid"]?.string == pod.metadata.uid
        }
    }

    private func object(_ path: String, named name: String) async throws(KubernetesError) -> JSONValue? {
        do throws(KubernetesError) {
            return try await client.call(.get(path))
        } catch {
            guard error.status?.saysGone(name) ?? false else { throw error }
            return nil
        }
    }
}
