package import JSON
internal import KubernetesAPI
package import Volumes

/// The PersistentVolume that a deleted volume had, as its image keeps it, and the claim that it had.
///
/// Written with the image's deletion, for as long as the image is kept. It names Secrets and holds none.
package struct KeptObjects: Sendable {
    /// The PersistentVolume's name.
    package let name: String
    /// The claim that gets it.
    package let claimName: ClaimName
    /// The uid of the Kubernetes cluster that had it; nothing when that was not known.
    package let cluster: String?
    private let labels: JSONValue?
    private let annotations: [String: String]
    private let spec: JSONValue

    /// What the image is to keep of a volume that is deleted.
    ///
    /// - Parameters:
    ///   - volume: With its details.
    ///   - cluster: The uid of this Kubernetes cluster.
    /// - Returns: JSON; nothing for a volume that never had a claim.
    static func note(of volume: PersistentVolume, cluster: String?) -> String? {
        guard let object = volume.details?.object, let spec = object["spec"], volume.claim != nil else { return nil }
        let metadata: JSONValue = ["name": .string(volume.metadata.name)]
        let note: JSONValue = [
            "metadata": metadata.with("labels", object["metadata", "labels"])
                .with("annotations", object["metadata", "annotations"]),
            "spec": spec,
        ]
        return String(decoding: note.with("cluster", cluster.map { .string($0) }).bytes, as: UTF8.self)
    }

    /// Reads what an image keeps.
    ///
    /// - Parameters:
    ///   - note: What `note` gave.
    ///   - claim: Another claim than the volume had; its own without.
    package init?(note: String, claim: ClaimName?) {
        guard let object = try? JSONValue(parsing: Array(note.utf8)), let name = object["metadata", "name"]?.string,
            let spec = object["spec"], let namespace = spec["claimRef", "namespace"]?.string,
            let claimName = spec["claimRef", "name"]?.string
        else { return nil }
        self.name = name
        self.claimName = claim ?? ClaimName(namespace: namespace, name: claimName)
        self.spec = spec
        cluster = object["cluster"]?.string
        labels = object["metadata", "labels"]
        var annotations = object["metadata", "annotations"]?.stringMembers ?? [:]
        // A binding by the controller is one that it may undo.
        annotations[VolumeObject.boundByControllerKey] = nil
        self.annotations = annotations
    }

    /// The PersistentVolume to make: for that claim, whatever uid it will have.
    package var volume: JSONValue {
        let reference: JSONValue = [
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": .string(claimName.namespace),
            "name": .string(claimName.name),
        ]
        let isDeleted = spec["persistentVolumeReclaimPolicy"]?.string == PersistentVolume.ReclaimPolicy.delete.name
        let metadata: JSONValue = ["name": .string(name), "annotations": JSONValue(annotations)]
        let finalizers: JSONValue? = isDeleted ? [.string(PersistentVolume.provisionerFinalizer)] : nil
        return [
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": metadata.with("labels", labels)
                .with("finalizers", finalizers),
            "spec": spec.with("claimRef", reference),
        ]
    }

    /// The claim to make: what the binder compares is as in the PersistentVolume; labels and annotations of the old claim are
    /// nowhere any more.
    package var claim: JSONValue {
        let wish: JSONValue = [
            "accessModes": spec["accessModes"] ?? [],
            "storageClassName": .string(spec["storageClassName"]?.string ?? ""),
            "resources": ["requests": ["storage": spec["capacity", "storage"] ?? "0"]],
            "volumeName": .string(name),
        ]
        return [
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": ["name": .string(claimName.name), "namespace": .string(claimName.namespace)],
            "spec": wish.with("volumeMode", spec["volumeMode"]),
        ]
    }

    /// `Filesystem` or `Block`.
    package var volumeMode: String { spec["volumeMode"]?.string ?? "Filesystem" }

    /// The volume's handle, by its source.
    var handle: String? {
        if let options = spec["flexVolume", "options"] {
            return VolumeAttributes(options: options.stringMembers)?.handle
        }
        let text = annotations[VolumeAttributes.annotation] ?? ""
        guard let options = try? JSONValue(parsing: Array(text.utf8)) else { return nil }
        return VolumeAttributes(options: options.stringMembers)?.handle
    }
}
