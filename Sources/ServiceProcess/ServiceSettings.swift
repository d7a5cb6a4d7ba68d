internal import ExactText
internal import FoundationEssentials
package import NodeMapping
internal import Volumes

/// What a long-lived process of Nacre is told about its clusters and its node.
package struct ServiceSettings: Sendable {
    /// The socket that it serves on.
    package var socket: String
    /// The path of ceph-csi's `config.json`.
    package var configuration: String
    /// The directory of the service's own Secret, with the files `userID` and `userKey`.
    package var secretDirectory: String?
    /// Where a node keeps what it must know after a restart.
    package var stateDirectory: String
    /// The mapper of images whose class names none.
    package var mounter: MapperChoice
    /// Where the node is in the CRUSH map: `zone:a|host:b`; empty if unknown.
    package var crushLocation: String
    /// Threads for blocking Ceph calls, for each cluster: 1 to 256.
    package var cephThreads: Int
    /// Images removed from the trash at once: 1 to 32.
    package var purgeWorkers: Int
    /// Whether images are made and deleted by librbd alone.
    package var usesLibrbdOnly: Bool
    /// For how long deleted volumes stay in the trash, unless their class says so.
    package var retention: Duration
    /// How long an unused connection to Ceph is kept.
    package var idleLimit: Duration
    /// Ceph's options for every connection, by name.
    package var cephOptions: [String: String]
    /// The words that start an image server.
    package var imageServer: [String]
    /// The words that start a process that removes images.
    package var trashRemover: [String]

    /// The files and directories that it was given and must go on to see, absolute.
    var paths: [String] {
        let here = FileManager.default.currentDirectoryPath
        return [socket, configuration, secretDirectory].compactMap(\.self)
            .map { $0.startsExactly(with: "/") ? $0 : "\(here)/\($0)" }
    }

    package init(
        socket: String,
        configuration: String,
        secretDirectory: String?,
        stateDirectory: String,
        mounter: MapperChoice,
        crushLocation: String,
        cephThreads: Int,
        purgeWorkers: Int,
        usesLibrbdOnly: Bool,
        retention: Duration,
        idleLimit: Duration,
        cephOptions: [String: String],
        imageServer: [String],
        trashRemover: [String]
    ) {
        self.socket = socket
        self.configuration = configuration
        self.secretDirectory = secretDirectory
        self.stateDirectory = stateDirectory
        self.mounter = mounter
        self.crushLocation = crushLocation
        self.cephThreads = cephThreads
        self.purgeWorkers = purgeWorkers
        self.usesLibrbdOnly = usesLibrbdOnly
        self.retention = retention
        self.idleLimit = idleLimit
        self.cephOptions = cephOptions
        self.imageServer = imageServer
        self.trashRemover = trashRemover
    }
}
