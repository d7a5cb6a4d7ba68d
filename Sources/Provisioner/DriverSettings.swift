/// What a controller is told about itself.
package struct DriverSettings: Sendable {
    /// The provisioner's name in StorageClasses: `rbd.nacre.io`.
    package var driverName = "rbd.nacre.io"
    /// The driver's name in FlexVolume sources.
    package var flexDriver = "nacre.io/rbd"
    /// Where the node agent puts the devices of `local` volumes.
    package var localDirectory = "/var/lib/nacre/vol"
    /// Where the node agent shows the file systems of `local` volumes.
    ///
    /// kubelet names the path in the event of a pod whose volume is not there, so the path says whom to look for.
    package var mountDirectory = "/run/nacre/node-agent"
    /// Where the pods of the nodes' agents are; `nil` if nobody knows.
    package var agentNamespace: String?
    /// The prefix of PersistentVolumes' names.
    package var volumeNamePrefix = "pvc"
    /// How long one call of the volume service may take before it is reported as an error and tried again.
    package var callTimeout = Duration.seconds(150)
    /// Between two looks for the kinds of snapshots in a cluster that does not have them.
    package var snapshotInterval = Duration.seconds(30)
    /// How many claims, volumes and expansions are worked on at once, of each.
    package var parallel = 48
    /// The first wait after a failure.
    package var firstRetry = Duration.seconds(1)
    /// The longest wait after a failure, and the interval between tries of an invalid request.
    package var longestRetry = Duration.seconds(300)

    /// Everything at its default.
    package init() {}

    /// Where kubelet finds the device of a raw block volume.
    func devicePath(of volumeName: String) -> String { "\(localDirectory)/\(volumeName)/dev" }

    /// Where kubelet finds the file system of a volume.
    package func mountPath(of volumeName: String) -> String { "\(mountDirectory)/\(volumeName)/volume" }
}
