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
    /// When and by whom the image was moved to the trash; only images with this mark are removed from there.
    public static let trashed = "nacre.io/trashed"
    /// How long the deleted image stays in the trash, as a class says it; without it the service's own setting applies.
    public static let trashRetention = "nacre.io/trash-retention"
    /// The PersistentVolume that the volume had when it was deleted, as JSON; kept with the image.
    public static let persistentVolume = "nacre.io/persistent-volume"
    /// What all of these begin with.
    public static let prefix = "nacre.io/"
}
