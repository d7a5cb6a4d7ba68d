internal import JSON
internal import KubernetesAPI
internal import Volumes

extension KeptObjects {
    /// The PersistentVolume and the claim of a volume, by what is on its image alone.
    ///
    /// They are written as `VolumeMaker` writes them, so a volume that comes back is what it was.
    ///
    /// - Parameters:
    ///   - record: What the image keeps of the PersistentVolume.
    ///   - image: The image.
    ///   - claim: The claim that has it.
    ///   - name: The PersistentVolume's name.
    /// - Throws: `VolumeError` that says what the image lacks.
    init(
        record: VolumeRecord,
        image: FoundImage,
        claim: ClaimName,
        name: String
    ) throws(VolumeError) {
        let wish: JSONValue = [
            "accessModes": JSONValue(record.accessModes), "storageClassName": .string(record.className),
            "volumeMode": .string(record.isBlock ? "Block" : "Filesystem"),
        ]
        guard
            let pending = PersistentVolumeClaim([
                "metadata": [
                    "name": .string(claim.name), "namespace": .string(claim.namespace), "uid": "recovered",
                    "resourceVersion": "0",
                ],
                "spec": wish,
            ]), let storageClass = record.storageClass
        else { throw VolumeError(.internal, "the image's metadata make no PersistentVolume") }
        var others = NodeParameters.parameters(in: image.metadata[ImageMetadataKey.nodeParameters])
        for (parameter, key) in ParameterKey.imagesOwn { others[parameter.rawValue] = image.metadata[key] }
        others["clusterID"] = image.id.clusterID
        others["pool"] = image.id.pool
        others["image"] = image.id.image
        if !image.id.namespace.isEmpty { others["radosNamespace"] = image.id.namespace }
        if !record.mountOptions.isEmpty, !record.isBlock {
            others["mountOptions"] = record.mountOptions.joined(separator: ",")
        }
        // Left open, it is what a node takes.
        let fileSystem = VolumeFacts(metadata: image.metadata).fileSystem ?? MountAccess().fileSystem
        var settings = DriverSettings()
        settings.flexDriver = record.flexDriver
        let object = VolumeObject(
            name: name,
            claim: pending,
            storageClass: storageClass,
            capacityBytes: image.sizeBytes,
            fileSystem: record.isBlock ? MountAccess().fileSystem : fileSystem,
            delivery: record.delivery,
            attributes: VolumeAttributes(
                handle: image.id.description,
                nodeSecret: record.nodeSecret,
                expandSecret: record.expandSecret,
                others: others
            ),
            deletionSecret: record.deletionSecret,
            settings: settings
        )
        .json
        guard let objects = KeptObjects(note: String(decoding: object.bytes, as: UTF8.self), claim: nil) else {
            throw VolumeError(.internal, "the image's metadata make no PersistentVolume")
        }
        self = objects
    }
}
