import JSON
import KubernetesAPI
import Provisioner
import Volumes

/// A volume that is a `local` PersistentVolume: the node agent provides a device at its path.
struct LocalVolume: Sendable {
    let name: String
    /// Where kubelet looks for the device.
    let path: String
    let attributes: VolumeAttributes
    let capacityBytes: UInt64
    let mode: VolumeCapability.Mode

    /// Whether pods get the device itself; otherwise kubelet makes and mounts a file system on it.
    let isBlock: Bool

    /// Reads a PersistentVolume; `nil` if it is not Nacre's.
    ///
    /// Other paths are refused: a PersistentVolume could otherwise place a device anywhere on the node.
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
