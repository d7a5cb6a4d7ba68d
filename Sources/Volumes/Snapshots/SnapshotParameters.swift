internal import ExactText

/// A VolumeSnapshotClass' parameters, checked.
///
/// An unknown key is refused, as in a StorageClass.
struct SnapshotParameters: Sendable {
    /// The cluster that it is for; nothing for that of the source.
    let clusterID: String?
    /// What Kubernetes says about the snapshot, for its notes.
    let notes: [String: String]

    /// Keys that others read, or that say nothing of the snapshot.
    private static let others = ["consistency", "pool"]

    init(_ parameters: [String: String]) throws(VolumeError) {
        var notes: [String: String] = [:]
        for (name, value) in parameters.sorted(by: { $0.key < $1.key }) {
            if let key = name.behind(ParameterKey.kubernetesPrefix) {
                // The names of secrets say nothing of a snapshot.
                if key.startsExactly(with: "volumesnapshot") { notes[name] = value }
                continue
            }
            guard !name.isExactly("clusterID"), !Self.others.containsExactly(name) else { continue }
            throw .invalid(
                "parameter '\(name.printable)' is not known for snapshots; a VolumeSnapshotClass has clusterID, pool, "
                    + "consistency, and the names of secrets"
            )
        }
        clusterID = parameters["clusterID"]
        self.notes = notes
    }
}
