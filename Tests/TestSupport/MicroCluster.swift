public import CephVolumes
import Glibc
public import Logging
public import Secrets
public import Volumes

/// The real Ceph that `tools/test cluster` starts with `tools/micro-cluster`, found by NACRE_CLUSTER_DIR.
public struct MicroCluster: Sendable {
    /// Its state directory.
    public let directory: String

    /// The cluster that the environment names, if any.
    public static var current: MicroCluster? {
        guard let directory = getenv("NACRE_CLUSTER_DIR") else { return nil }
        _ = endsAtOnce
        return MicroCluster(directory: String(cString: directory))
    }

    /// Has this process end without static destructors, as Nacre does.
    ///
    /// librados' threads keep running during exit(3), and would use what those have taken down.
    private static let endsAtOnce: Bool = {
        on_exit(
            { status, _ in
                fflush(nil)
                _exit(status)
            },
            nil
        ) == 0
    }()

    /// Whether there is one; tests that need it are skipped otherwise.
    public static var isThere: Bool { current != nil }

    /// The reason for skipping tests without a cluster.
    public static let lack = "needs a real Ceph: run tools/test cluster, or set NACRE_CLUSTER_DIR"

    /// Its config.json.
    public var configurationPath: String { "\(directory)/config.json" }

    /// The directory of the provisioner's Secret.
    public var provisionerSecret: String { "\(directory)/secrets/csi-rbd-provisioner" }

    /// The directory of the node's Secret.
    public var nodeSecret: String { "\(directory)/secrets/csi-rbd-node" }

    /// Its key in config.json.
    public var clusterID: String {
        get throws {
            guard let id = ClusterConfiguration(path: configurationPath).clusters.first?.clusterID else {
                throw VolumeError(.internal, "no cluster in \(configurationPath)")
            }
            return id
        }
    }

    /// The user that creates and deletes images.
    public var provisioner: Credentials {
        get throws { try ServiceCredentials(directory: provisionerSecret).read() }
    }

    /// A service for one test, and the parts that tests inspect.
    public struct Lab: Sendable {
        /// The service.
        public let service: VolumeService
        /// Its store.
        public let store: RBDImageStore
        /// Its purger.
        public let purger: TrashPurger
        /// Its connections.
        public let connections: ClusterConnections
        /// Its operations in progress.
        public let operations: Operations
    }

    /// Makes a service on this cluster.
    public func lab(
        configurationPath: String? = nil,
        secretDirectory: String? = nil,
        options: [String: String] = [:],
        removing remover: (any ImageRemoving)? = nil,
        retention: Duration = .zero,
        watchPatience: Duration = .seconds(30),
        objectCalls: ObjectCalls = .onTestedReleases,
        longestLook: Duration = .seconds(25),
        observer: StepObserver? = nil
    ) -> Lab {
        let configuration = ClusterConfiguration(path: configurationPath ?? self.configurationPath)
        let connections = ClusterConnections(configuration: configuration, options: options)
        let purger = TrashPurger(
            removing: remover
                ?? ImageRemover(
                    connections: ClusterConnections(configuration: configuration, options: options),
                    watchPatience: watchPatience
                ),
            firstDelay: .milliseconds(200),
            longestDelay: .seconds(2),
            logger: Logger(label: "test") { _ in SilentLog() }
        )
        let store = RBDImageStore(
            configuration: configuration,
            connections: connections,
            service: ServiceCredentials(directory: secretDirectory ?? provisionerSecret),
            purger: purger,
            objectCalls: objectCalls,
            retention: retention,
            watchPatience: watchPatience,
            longestLook: longestLook
        )
        let operations = Operations(observer: observer)
        return Lab(
            service: VolumeService(store: store, operations: operations),
            store: store,
            purger: purger,
            connections: connections,
            operations: operations
        )
    }
}

/// A log handler that discards everything.
public struct SilentLog: LogHandler {
    /// Nothing.
    public var metadata: Logger.Metadata = [:]
    /// No level is logged.
    public var logLevel: Logger.Level = .critical

    /// Makes one.
    public init() {}

    /// Stores nothing.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    /// Logs nothing.
    public func log(event: LogEvent) {}
}
