import ArgumentParser
import Blocking
import CephVolumes
import LinuxKernel
import Logging
import ServiceProcess
import VolumeAPI
import VolumeClient
import Volumes

/// The services of `nacre serve`, wired by its own stacks, for one command.
enum DirectServices {
    /// Puts together the controller's side.
    static func controller(_ options: CephOptions) throws -> DirectBackend {
        try backend(options, serveArguments: [], node: nil)
    }

    /// Puts together both sides.
    ///
    /// Refused where a node service answers: two of them on one state directory would each undo the other's work.
    static func node(
        _ options: ConnectionOptions,
        _ local: LocalOptions,
        _ budget: TimeBudget
    ) async throws -> DirectBackend {
        let client = VolumeClient(socketPath: options.socket, pool: BlockingPool(threads: 1))
        let patience = budget.share(.seconds(5)) - .now
        let info = try? await client.call(CSI.Node.NodeGetInfo.self, EmptyMessage(), timeout: patience, grace: .zero)
        if info != nil {
            throw CommandFailure(
                .usage,
                "a node service runs on this machine, at '\(options.socket)'; let it do the work: leave out --direct"
            )
        }
        // A service may answer at another socket, and other commands do without one, too.
        let lock = try await StateLock.forCommand(local.stateDir, until: budget.deadline)
        return try backend(
            options.ceph,
            serveArguments: ["--state-dir", local.stateDir],
            node: (ThisMachine.name, lock)
        )
    }

    private static func backend(
        _ options: CephOptions,
        serveArguments: [String],
        node: (id: String, lock: StateLock)?
    ) throws -> DirectBackend {
        // Lists and conditions are read as this user; without one the error would come late, in the service's words.
        _ = try options.credentials()
        // As `nacre serve` does; a kernel that refuses it leaves us as any other process.
        try? ProcessControl.forbidDumps()
        let secret = options.secretDir.map { ["--secret-dir", $0] } ?? []
        let settings = try ServeOptions.parse(["--config", options.config] + secret + serveArguments).settings
        // What goes wrong is told by the command itself.
        var logger = Logger(label: "nacre", factory: MaskingLogHandler.init)
        logger.logLevel = .critical
        // A look that a repetition could join ends with this process: only the command's own time limit may end it.
        let stack = ControllerStack(settings, longestLook: .seconds(365 * 86400), observer: nil, logger: logger)
        if let fault = stack.configuration.fault {
            let file = InputFile.fault(options.config)
            throw CommandFailure(
                file?.status ?? .usage,
                file.map { "\($0.reason): name ceph-csi's config.json by --config" } ?? fault
            )
        }
        let steps = LatestStep()
        let stackOfNode = node.map {
            NodeStack(
                settings,
                nodeID: $0.id,
                stack,
                holding: $0.lock,
                keepsSpare: false,
                observer: steps.observe,
                logger: logger
            )
        }
        return DirectBackend(
            controller: stack.service,
            node: stackOfNode?.service,
            operations: stack.operations,
            nodeSteps: steps,
            purger: stack.purger,
            store: stack.store,
            configuration: stack.configuration
        )
    }
}
