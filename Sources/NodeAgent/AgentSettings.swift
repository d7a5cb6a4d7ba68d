/// What a node's agent is told beyond what every service is.
package struct AgentSettings: Sendable {
    /// The driver's name: `rbd.nacre.io`.
    package var driverName: String
    /// Where the node keeps what it must know after a restart.
    package var stateDirectory: String
    /// The directory of the node's own Secret, with the files `userID` and `userKey`.
    package var secretDirectory: String?
    /// kubelet's `--root-dir`.
    package var kubeletDirectory: String
    /// The UNIX socket that the FlexVolume driver's program comes to.
    package var flexSocket: String

    package init(
        driverName: String,
        stateDirectory: String,
        secretDirectory: String?,
        kubeletDirectory: String,
        flexSocket: String
    ) {
        self.driverName = driverName
        self.stateDirectory = stateDirectory
        self.secretDirectory = secretDirectory
        self.kubeletDirectory = kubeletDirectory
        self.flexSocket = flexSocket
    }
}
