internal import ExactText
internal import KubernetesAPI
internal import Secrets
internal import Volumes

/// A VolumeSnapshotClass' parameters: Kubernetes' keys, which the controller evaluates, and all others, which the volume
/// service gets.
///
/// See: kubernetes-csi.github.io, "Secrets & Credentials", VolumeSnapshotClass.
struct SnapshotClassParameters: Sendable {
    /// What the volume service gets.
    let driver: [String: String]
    private let taking: SecretTemplate?
    private let listing: SecretTemplate?

    private static let takingKey = ClassParameters.prefix + "snapshotter-secret-"
    private static let listingKey = ClassParameters.prefix + "snapshotter-list-secret-"

    init(_ parameters: [String: String]) throws(VolumeError) {
        var driver: [String: String] = [:]
        var ours: [String: String] = [:]
        for (key, value) in parameters.sorted(by: { $0.key < $1.key }) {
            guard !CephKey.isIn(key), !CephKey.isIn(value) else {
                throw .invalid(
                    "parameter \(CephKey.masked(key)) holds a cephx key; put it into a Secret, and rotate it"
                )
            }
            if key.startsExactly(with: ClassParameters.prefix) { ours[key] = value } else { driver[key] = value }
        }
        taking = try ClassParameters.pair(Self.takingKey + "name", Self.takingKey + "namespace", &ours)
        listing = try ClassParameters.pair(Self.listingKey + "name", Self.listingKey + "namespace", &ours)
        if let unknown = ours.keys.sorted().first {
            throw .invalid(
                "parameter \(unknown.printable) of a VolumeSnapshotClass is not known; keys with \(ClassParameters.prefix) "
                    + "are Kubernetes' own"
            )
        }
        self.driver = driver
    }

    /// The Secret of who takes and deletes snapshots; `nil` if the class names none.
    func takingSecret(content: String, snapshot: VolumeSnapshotContent.Reference) throws(VolumeError)
        -> SecretReference?
    {
        let inNamespace = ["volumesnapshotcontent.name": content, "volumesnapshot.namespace": snapshot.namespace]
        return try taking?.reference(inNamespace.merging(["volumesnapshot.name": snapshot.name]) { $1 }, inNamespace)
    }

    /// The Secret of who looks at snapshots; `nil` if the class names none.
    func listingSecret(content: String) throws(VolumeError) -> SecretReference? {
        let values = ["volumesnapshotcontent.name": content]
        return try listing?.reference(values, values)
    }
}
