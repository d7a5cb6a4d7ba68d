package import Provisioner

/// What a controller is told beyond what every service is.
package struct ControllerSettings: Sendable {
    /// A pod's name and namespace.
    package struct Pod: Sendable {
        package var name: String
        package var namespace: String

        package init(name: String, namespace: String) {
            self.name = name
            self.namespace = namespace
        }
    }

    /// The driver's name, its FlexVolume name, and how many objects are worked on at once.
    package var driver = DriverSettings()
    /// The program's version, for the API server's log.
    package var version: String
    /// The directory of the process' own Secret, with the files `userID` and `userKey`.
    package var secretDirectory: String?
    /// The lease's namespace; the identity's own if `nil`.
    package var leaseNamespace: String?
    /// This process' name on the lease; the host's name and a random part if `nil`.
    package var holder: String?
    /// After which time another process takes a lease over that is not renewed.
    package var leaseDuration: Duration
    /// Whether classes that wait for a consumer tell the scheduler how much room there is.
    package var tellsCapacity: Bool
    /// The pod that this process runs in.
    package var pod: Pod?

    package init(version: String, leaseDuration: Duration, tellsCapacity: Bool) {
        self.version = version
        self.leaseDuration = leaseDuration
        self.tellsCapacity = tellsCapacity
    }
}
