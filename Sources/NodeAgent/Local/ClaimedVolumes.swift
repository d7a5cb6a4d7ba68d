import JSON
import KubernetesAPI
import Synchronization

/// The volume of a pod's claim, read from the API server once: while the pod exists, its claim keeps the volume.
///
/// A node has a hundred pods, and a cluster thousands of nodes. So only the sizes of these few volumes are read more
/// than once.
final class ClaimedVolumes: Sendable {
    /// What a claim has.
    enum Answer: Sendable {
        /// No volume yet.
        case none
        /// A volume that is not one of Nacre's `local` ones.
        case notOurs
        /// One that the node agent delivers.
        case ours(LocalVolume)
    }

    private struct Kept {
        let answer: Answer
        let readAt: ContinuousClock.Instant

        /// A volume's source cannot be changed.
        var isFinal: Bool {
            guard case .notOurs = answer else { return false }
            return true
        }
    }

    private struct Key: Hashable {
        let podUID: String
        let claim: String
    }

    private let client: KubernetesClient
    private let driverName: String
    private let places: LocalVolume.Places
    private let answers = Mutex<[Key: Kept]>([:])

    /// After that a volume may have grown.
    private static let age = Duration.seconds(25)

    init(client: KubernetesClient, driverName: String, places: LocalVolume.Places) {
        self.client = client
        self.driverName = driverName
        self.places = places
    }

    /// Forgets the pods that are gone.
    func forgetAll(but podUIDs: Set<String>) {
        answers.withLock { answers in answers = answers.filter { podUIDs.contains($0.key.podUID) } }
    }

    /// What the claim has.
    func volume(of named: LocalPod.Claim, of pod: LocalPod) async throws(KubernetesError) -> Answer {
        let name = named.name
        let key = Key(podUID: pod.metadata.uid, claim: name)
        switch answers.withLock({ $0[key] }) {
        case let kept? where kept.isFinal || .now - kept.readAt < Self.age: return kept.answer
        default: break
        }
        guard let claimObject = try await object(APIPath.claim(pod.metadata.namespace, name), named: name),
            let claim = PersistentVolumeClaim(claimObject), !claim.volumeName.isEmpty,
            !named.isEphemeral || Self.isOwned(claimObject, by: pod),
            let volumeObject = try await object(APIPath.persistentVolume(claim.volumeName), named: claim.volumeName),
            let volume = PersistentVolume(volumeObject), volume.claim?.uid == claim.metadata.uid
        else { return .none }
        let answer =
            LocalVolume(volume, driverName: driverName, places: places).map { Answer.ours($0) } ?? .notOurs
        answers.withLock { $0[key] = Kept(answer: answer, readAt: .now) }
        return answer
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
