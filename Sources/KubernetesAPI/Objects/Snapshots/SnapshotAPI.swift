/// The names of Kubernetes' API of snapshots, which every cluster that has it took in as custom resources.
///
/// See: kubernetes-csi/external-snapshotter, `client/apis/volumesnapshot/v1` and `pkg/utils`.
package enum SnapshotAPI {
    /// The group.
    package static let group = "snapshot.storage.k8s.io"
    /// The group and its version.
    package static let version = "\(group)/v1"
    /// Where the server says which kinds of the group it has.
    package static let path = "/apis/\(version)"
    /// The collections.
    package static let resources = ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"]

    /// Keeps a VolumeSnapshot while its content is to go with it.
    package static let boundFinalizer = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection"
    /// Keeps a VolumeSnapshot while a claim is filled from it.
    package static let sourceFinalizer = "snapshot.storage.kubernetes.io/volumesnapshot-as-source-protection"
    /// Keeps a VolumeSnapshotContent until its snapshot is gone, or may stay.
    package static let contentFinalizer = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"
    /// Keeps a claim while a snapshot of it is taken.
    package static let claimFinalizer = "snapshot.storage.kubernetes.io/pvc-as-source-protection"

    /// On a content: its VolumeSnapshot is being deleted, so a deletion of the content is meant.
    package static let beingDeletedKey = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted"
    /// On a content: its snapshot may have been begun, and no answer was written down yet.
    package static let beingCreatedKey = "snapshot.storage.kubernetes.io/volumesnapshot-being-created"
    /// On a content: the Secret for the deletion, so that the class is not needed then.
    package static let deletionSecretNameKey = "snapshot.storage.kubernetes.io/deletion-secret-name"
    /// On a content: that Secret's namespace.
    package static let deletionSecretNamespaceKey = "snapshot.storage.kubernetes.io/deletion-secret-namespace"
    /// On a content: a claim may ask for another volume mode than the source had.
    package static let modeChangeKey = "snapshot.storage.kubernetes.io/allow-volume-mode-change"
    /// On a class: it is the one for VolumeSnapshots that name none.
    package static let defaultClassKey = "snapshot.storage.kubernetes.io/is-default-class"

    /// What becomes of a snapshot whose VolumeSnapshot is deleted.
    package enum DeletionPolicy: String, Sendable {
        /// It goes.
        case delete = "Delete"
        /// It stays, and its content.
        case retain = "Retain"

        /// Reads a policy; what is not known retains.
        init(_ text: String?) { self = text.flatMap { Self(rawValue: $0) } ?? .retain }
    }
}

extension APIPath {
    /// snapshot.storage.k8s.io/v1, of all namespaces.
    package static let volumeSnapshots = "\(SnapshotAPI.path)/volumesnapshots"
    /// snapshot.storage.k8s.io/v1.
    package static let volumeSnapshotContents = "\(SnapshotAPI.path)/volumesnapshotcontents"
    /// snapshot.storage.k8s.io/v1.
    package static let volumeSnapshotClasses = "\(SnapshotAPI.path)/volumesnapshotclasses"

    /// The VolumeSnapshots of a namespace.
    package static func snapshots(in namespace: String) -> String {
        "\(SnapshotAPI.path)/namespaces/\(escaped(namespace))/volumesnapshots"
    }

    /// A VolumeSnapshot.
    package static func volumeSnapshot(_ namespace: String, _ name: String) -> String {
        "\(snapshots(in: namespace))/\(escaped(name))"
    }

    /// A VolumeSnapshotContent.
    package static func volumeSnapshotContent(_ name: String) -> String { "\(volumeSnapshotContents)/\(escaped(name))" }
}
