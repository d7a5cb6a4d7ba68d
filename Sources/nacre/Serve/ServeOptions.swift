import ArgumentParser
import CephVolumes
import ExactText
import Logging
import NodeMapping
import ServiceProcess
import Volumes

/// What `nacre serve` is told.
struct ServeOptions: ParsableArguments {
    @Option(help: "UNIX socket to serve on (NACRE_SOCKET).", completion: .file())
    var socket = Environment.value("NACRE_SOCKET") ?? "/run/nacre/nacre.sock"

    @Option(
        help: "ceph-csi's config.json: which clusters there are (NACRE_CONFIG).",
        completion: .file(extensions: ["json"])
    )
    var config = Environment.value("NACRE_CONFIG") ?? "/etc/ceph-csi-config/config.json"

    @Option(
        name: .customLong("secret-dir"),
        help: ArgumentHelp(
            "Directory with the files userID and userKey, for what comes without a Secret: lists, health, the trash "
                + "(NACRE_SECRET_DIR).",
            valueName: "directory"
        ),
        completion: .directory
    )
    var givenSecretDir: String?

    @Option(
        help: "Where the node keeps what it must know after a restart (NACRE_STATE_DIR).",
        completion: .directory
    )
    var stateDir = Environment.value("NACRE_STATE_DIR") ?? "/var/lib/nacre"

    @Option(help: "This node's name; without one the Node service is not offered.")
    var nodeID: String?

    @Option(help: "What makes devices of images whose class does not say: auto, krbd, nbd or fuse.")
    var mounter = "auto"

    @Option(help: "Where this node is in the CRUSH map, 'zone:a|host:b': krbd then reads from the nearest OSD.")
    var crushLocation = ""

    @Option(help: "The driver's name.")
    var driverName = "rbd.nacre.io"

    @Option(help: "Threads for blocking Ceph calls, each cluster (1 to 256).")
    var cephThreads = 24

    @Option(help: "Images removed from the trash at once (1 to 32).")
    var purgeWorkers = 2

    @Flag(help: "Make and delete images by librbd alone, never by class calls on their objects; slower.")
    var librbdOnly = false

    @Option(
        help: ArgumentHelp(
            "For how long deleted volumes stay in Ceph's trash, unless their class says so by trashRetention: 0, 72h, 7d.",
            valueName: "time"
        ),
        transform: retentionArgument
    )
    var trashRetention = RetentionArgument.none

    @Option(help: "How long a call may take that names no deadline (1s to 10m).", transform: timeLimit)
    var requestTimeout = TimeLimit(seconds: 60)

    @Option(help: "How long an unused connection to Ceph is kept (1s or more).", transform: timeLimit)
    var idleTimeout = TimeLimit(seconds: 600)

    @Option(
        name: .customLong("ceph-option"),
        help: "A Ceph option for every connection, NAME=VALUE; may be repeated."
    )
    var cephOptions: [String] = []

    @Option(
        help: ArgumentHelp("Serve /metrics and /healthz on a TCP port too: 0.0.0.0:9808.", valueName: "host:port"),
        transform: listenAddress
    )
    var metricsAddress: MetricsAddress?

    @Option(
        help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"),
        completion: .list(Logger.Level.allCases.map(\.rawValue)),
        transform: levelOfLog
    )
    var logLevel = Logger.Level.info

    mutating func validate() throws {
        guard (1...256).contains(cephThreads) else { throw ValidationError("--ceph-threads must be 1 to 256") }
        guard (1...32).contains(purgeWorkers) else { throw ValidationError("--purge-workers must be 1 to 32") }
        if let refusal = requestTimeout.refusal(outside: 1...600, "--request-timeout") { throw refusal }
        if let refusal = idleTimeout.refusal(outside: 1...31_622_400, "--idle-timeout") { throw refusal }
        guard MapperChoice(mounter: mounter, mayFallBack: false) != nil else {
            throw ValidationError("--mounter '\(mounter)' is not auto, krbd, nbd or fuse")
        }
        guard nodeID.map({ (1...256).contains($0.utf8.count) && !$0.holdsControlCharacters }) ?? true else {
            throw ValidationError("--node-id wants a node's name of 1 to 256 bytes; leave it out for no Node service")
        }
        for option in cephOptions where !option.contains("=") {
            throw ValidationError("--ceph-option '\(option)' is not NAME=VALUE")
        }
    }

    /// The Secret's directory, as given or by the environment.
    var secretDir: String? { givenSecretDir ?? Environment.value("NACRE_SECRET_DIR") }

    /// The `--ceph-option`s as a dictionary.
    var cephOptionPairs: [String: String] {
        var pairs: [String: String] = [:]
        for option in cephOptions {
            let parts = option.parts(at: "=", most: 1)
            pairs[String(parts[0])] = String(parts[1])
        }
        return pairs
    }
}

extension ServeOptions {
    /// What the process' parts are told.
    var settings: ServiceSettings {
        ServiceSettings(
            socket: socket,
            configuration: config,
            secretDirectory: secretDir,
            stateDirectory: stateDir,
            mounter: MapperChoice(mounter: mounter, mayFallBack: false) ?? .auto,
            crushLocation: crushLocation,
            cephThreads: cephThreads,
            purgeWorkers: purgeWorkers,
            usesLibrbdOnly: librbdOnly,
            retention: trashRetention.retention.duration,
            idleLimit: idleTimeout.duration,
            cephOptions: cephOptionPairs,
            imageServer: ["/proc/self/exe", ImageServerCommand.name],
            trashRemover: ["/proc/self/exe", TrashRemoverCommand.name]
        )
    }

    /// Takes the state directory for a node service; waits for one that is ending.
    func lockStateDirectory(_ logger: Logger) async throws -> StateLock {
        try await StateLock.forService(stateDir, socket: socket) { owner in
            logger.notice(
                "waiting for the state directory, which another process keeps",
                metadata: ["directory": "\(stateDir)", "owner": "\(owner)"]
            )
        }
    }

    /// Why the service's own user cannot be read; `nil` if it can, or if none is configured.
    var secretFault: String? {
        guard let secretDir else { return nil }
        do throws(VolumeError) {
            _ = try ServiceCredentials(directory: secretDir).read()
            return nil
        } catch {
            return error.message
        }
    }
}

/// `--trash-retention`.
struct RetentionArgument: CustomStringConvertible, Sendable {
    static let none = RetentionArgument(retention: .none)

    let retention: TrashRetention

    var description: String { "\(retention.seconds)" }
}

@Sendable private func retentionArgument(_ text: String) throws -> RetentionArgument {
    guard let retention = TrashRetention(parsing: text) else {
        throw ValidationError(
            "'\(text)' is no time of at most ten years; write a number and a unit, such as 90s, 72h or 7d"
        )
    }
    return RetentionArgument(retention: retention)
}

@Sendable private func levelOfLog(_ text: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: text) else {
        throw ValidationError("'\(text)' is none of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return level
}
