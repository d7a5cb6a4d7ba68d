/// What a controller is told about itself.
package struct DriverSettings: Sendable {
    /// The provisioner's name in StorageClasses: `rbd.nacre.io`.
    package var driverName = "rbd.nacre.io"
    /// The driver's name in FlexVolume sources.
    package var flexDriver = "nacre.io/rbd"
    /// Where the node agent puts the devices of `local` volumes.
    package var localDirectory = "/var/lib/nacre/vol"
    /// The prefix of PersistentVolumes' names.
    package var volumeNamePrefix = "pvc"
    /// How long one call of the volume service may take before it is reported as an error and tried again.
    package var callTimeout = Duration.seconds(150)
    /// How many claims, volumes and expansions are worked on at once, of each.
    package var parallel = 48
    /// The first wait after a failure.
    package var firstRetry = Duration.seconds(1)
    /// The longest wait after a failure, and the interval between tries of an invalid request.
    package var longestRetry = Duration.seconds(300)

    /// Everything at its default.
    package init() {}
}
