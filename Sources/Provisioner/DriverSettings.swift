/// What a controller is told about itself.
package struct DriverSettings: Sendable {
    /// What StorageClasses name as their provisioner: `rbd.nacre.io`.
    package var driverName = "rbd.nacre.io"
    /// What FlexVolume sources name as their driver.
    package var flexDriver = "nacre.io/rbd"
    /// Where the node agent puts the devices of volumes that come as `local`.
    package var localDirectory = "/var/lib/nacre/vol"
    /// What the names of PersistentVolumes start with.
    package var volumeNamePrefix = "pvc"
    /// How long one call of the volume service may take before it is told as an error and tried again.
    package var callTimeout = Duration.seconds(150)
    /// Claims, volumes or expansions that are worked on at once, of each.
    package var parallel = 48
    /// The first wait after a failure.
    package var firstRetry = Duration.seconds(1)
    /// The longest wait after a failure, and the time between tries of what cannot be right.
    package var longestRetry = Duration.seconds(300)

    /// Everything at its default.
    package init() {}
}
