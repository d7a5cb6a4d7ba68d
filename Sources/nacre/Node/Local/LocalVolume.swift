import JSON
import KubernetesAPI
import Provisioner
import Volumes

/// A volume that comes to its pods as a `local` PersistentVolume: a device at a path, which the node agent puts there.
struct LocalVolume: Sendable {
    let name: String
    /// Where kubelet looks for the device.
    let path: String
    let attributes: VolumeAttributes
    let capacityBytes: UInt64
    let mode: VolumeCapability.Mode

    /// Whether pods get the device itself; else kubelet makes and mounts a file system on it.
    let isBlock: Bool

    /// Reads a PersistentVolume; nothing when it is none of ours.
    ///
    /// A PersistentVolume that names another path could have a device put anywhere on the node.
    init?(_ volume: PersistentVolume, driverName: String, directory: String) {
        guard volume.provisionedBy == driverName, let details = volume.details,
            details.localPath == "\(directory)/\(volume.metadata.name)/dev",
            let text = details.annotations[VolumeAttributes.annotation],
            let object = try? JSONValue(parsing: Array(text.utf8)),
            let attributes = VolumeAttributes(options: object.stringMembers)
        else { return nil }
        name = volume.metadata.name
        path = "\(directory)/\(name)/dev"
        self.attributes = attributes
        capacityBytes = UInt64(clamping: volume.capacityBytes)
        isBlock = volume.isBlock
        mode =
            if volume.accessModes.contains(.init(["ReadWriteMany"])) {
                .multiNodeMultiWriter
            } else if volume.accessModes == .init(["ReadOnlyMany"]) {
                .multiNodeReaderOnly
            } else if volume.accessModes == .init(["ReadWriteOncePod"]) {
                .singleNodeSingleWriter
            } else {
                .singleNodeWriter
            }
    }
}
