/// The metadata that Nacre keeps on an image: everything that must move with a volume is there.
///
/// Keys of ceph-csi (`csi.storage.k8s.io/…`) are written too; see `ParameterKey`.
public enum ImageMetadataKey {
    /// The name under which the volume was requested; it is written when the image is created and is also Nacre's mark.
    public static let requestName = "nacre.io/request-name"
    /// The image that the marks were written for, `pool/image` or `pool/namespace/image`; a copy has another place.
    public static let image = "nacre.io/image"
    /// The mark of an image that another program made and that Nacre manages now: that image, as in `image`.
    public static let adopted = "nacre.io/adopted"
    /// The file system that was requested: `ext4`, `xfs`, or `block` for none.
    public static let fileSystem = "nacre.io/file-system"
    /// The state of the file system: absent, `formatting FS NODE TIME TOKEN` or `formatted FS`; only the image's holder
    /// changes it.
    public static let format = "nacre.io/format"
    /// How many times its pool's capacity the volume may have, if its class says so; 0 for no limit.
    public static let poolSizeFactor = "nacre.io/pool-size-factor"
    /// The parameters that a node needs, such as `mkfsOptions`, as a JSON object of texts; read by who has no
    /// PersistentVolume that says them.
    public static let nodeParameters = "nacre.io/node-parameters"
    /// The uid of the namespace `kube-system` of the Kubernetes cluster that uses the volume.
    public static let kubernetesCluster = "nacre.io/kubernetes-cluster"
    /// What a PersistentVolume of the volume says and nothing else on the image does, as JSON: class, access modes, reclaim
    /// policy, Secrets' names; for `nacre recover`.
    public static let kubernetesVolume = "nacre.io/kubernetes-volume"
    /// That the volume is a branch, and until when, as JSON; without it the image is no branch, whatever its claim says.
    public static let branch = "nacre.io/branch"
    /// When and by whom the image was moved to the trash; only images with this mark are removed from there.
    public static let trashed = "nacre.io/trashed"
    /// How long the deleted image stays in the trash, as a class says it; without it the service's own setting applies.
    public static let trashRetention = "nacre.io/trash-retention"
    /// The PersistentVolume that the volume had when it was deleted, as JSON; kept with the image.
    public static let persistentVolume = "nacre.io/persistent-volume"
    /// What the volume was made from: the handle of a snapshot or of a volume.
    public static let source = "nacre.io/source"
    /// How many clones there are below the image, itself included: 1 for a clone of a volume that was made empty.
    public static let cloneDepth = "nacre.io/clone-depth"
    /// The mark of an image that is kept for its snapshots, because its volume was deleted: a JSON object of texts, see
    /// `KeptMark`.
    public static let kept = "nacre.io/kept"
    /// What the key of a snapshot's record begins with; the snapshot's name follows, and the value is a JSON object of
    /// texts, see `SnapshotNotes`.
    public static let snapshotPrefix = "nacre.snapshot/"
    /// What all of these begin with, but for the records of snapshots.
    public static let prefix = "nacre.io/"
}
