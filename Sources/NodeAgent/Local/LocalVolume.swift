import ExactText
import JSON
import KubernetesAPI
import Provisioner
import Volumes

/// A volume that is a `local` PersistentVolume: the node agent provides a device or a mounted directory at its path.
struct LocalVolume: Sendable {
    /// What kubelet finds at the path.
    enum Form: Sendable, Hashable {
        /// The device, of a raw block volume; and of a file system in PersistentVolumes that older releases made.
        case device
        /// A directory, on which the node agent has mounted the file system.
        case directory(MountAccess)
    }

    /// Where the two forms are.
    struct Places: Sendable {
        /// Of devices: `/var/lib/nacre/vol`.
        var devices = DriverSettings().localDirectory
        /// Of directories, for kubelet: `/run/nacre/node-agent`.
        var directories = DriverSettings().mountDirectory
        /// Of directories, where what kubelet looks at leads to.
        var mounts = "/run/nacre/node-volumes"
    }

    let name: String
    /// Where kubelet looks.
    let path: String
    let form: Form
    let attributes: VolumeAttributes
    let capacityBytes: UInt64
    let mode: VolumeCapability.Mode
    /// The claim that has it.
    let claim: PersistentVolume.ClaimReference?

    /// Reads a PersistentVolume; `nil` if it is not Nacre's.
    ///
    /// Other paths are refused: a PersistentVolume could otherwise place a device anywhere on the node.
    init?(_ volume: PersistentVolume, driverName: String, places: Places) {
        guard volume.provisionedBy == driverName, let details = volume.details, let path = details.localPath,
            let text = details.annotations[VolumeAttributes.annotation],
            let object = try? JSONValue(parsing: Array(text.utf8)),
            var attributes = VolumeAttributes(options: object.stringMembers)
        else { return nil }
        name = volume.metadata.name
        if path.isExactly("\(places.devices)/\(name)/dev") {
            form = .device
        } else if path.isExactly(DirectoryPlace.path(of: name, in: places.directories)), !volume.isBlock {
            let options = attributes.others.removeValue(forKey: "mountOptions") ?? ""
            form = .directory(
                MountAccess(
                    fsType: details.object["spec", "local", "fsType"]?.string ?? "",
                    mountFlags: options.parts(at: ",", omittingEmpty: true)
                )
            )
        } else {
            return nil
        }
        self.path = path
        self.attributes = attributes
        capacityBytes = UInt64(clamping: volume.capacityBytes)
        claim = volume.claim
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
