/// The metadata that Nacre keeps on an image: what moves with a volume lies there, and nowhere else.
///
/// Keys of ceph-csi (`csi.storage.k8s.io/…`) stand beside these; see `ParameterKey`.
public enum ImageMetadataKey {
    /// The name under which the volume was asked for; written when the image is made, so it is Nacre's mark, too.
    public static let requestName = "nacre.io/request-name"
    /// The mark of an image that another program made and Nacre has taken over.
    public static let adopted = "nacre.io/adopted"
    /// The file system that was asked for: `ext4`, `xfs`, or `block` for none.
    public static let fileSystem = "nacre.io/file-system"
    /// How far the file system's making is: nothing, `formatting FS NODE TIME TOKEN`, `formatted FS`; changed by its holder only.
    public static let format = "nacre.io/format"
    /// How many times its pool's size the volume may have, where its class says so; 0 for no limit.
    public static let poolSizeFactor = "nacre.io/pool-size-factor"
    /// The uid of the namespace `kube-system` of the Kubernetes cluster that has the volume.
    public static let kubernetesCluster = "nacre.io/kubernetes-cluster"
    /// When and by whom the image was put into the trash: only what carries it is ever purged.
    public static let trashed = "nacre.io/trashed"
    /// For how long the image stays in the trash once it is deleted, in seconds; the service's own setting without it.
    public static let trashRetention = "nacre.io/trash-retention"
    /// What all of these begin with.
    public static let prefix = "nacre.io/"
}
