internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization
package import Volumes

/// The JSON service on a UNIX socket: CSI's Identity, Controller and Node services, `/healthz`, `/livez` and `/metrics`.
///
/// Runs until graceful shutdown, then completes the calls under way and removes its socket.
package struct VolumeServer: Service {
    /// How many times the allowed number of connections is accepted: some are being closed, and all may have requests.
    static let accepting = 2

    private let configuration: ServerConfiguration
    private let responder: Responder
    private let logger: Logger
    private let onServing: @Sendable () async -> Void

    /// Puts a server together.
    ///
    /// - Parameters:
    ///   - configuration: Where and how.
    ///   - controller: Serves the Controller service; without one its calls are answered with `unimplemented`.
    ///   - node: Serves the Node service; without one its calls are answered with `unimplemented`.
    ///   - readiness: Asked by Probe.
    ///   - health: Asked by `/healthz`.
    ///   - liveness: Asked by `/livez`.
    ///   - metrics: Served at `/metrics`; the server's own metrics are added to it.
    ///   - logger: One line a call.
    ///   - onServing: Called once the socket is there and answers.
    package init(
        configuration: ServerConfiguration,
        controller: (any ControllerService)?,
        node: (any NodeService)?,
        readiness: @escaping @Sendable () async -> Readiness = { .ready },
        health: @escaping @Sendable () async -> Health = { Health([]) },
        liveness: Liveness = Liveness(),
        metrics: MetricsRegistry,
        logger: Logger,
        onServing: @escaping @Sendable () async -> Void = {}
    ) {
        self.configuration = configuration
        self.logger = logger
        self.onServing = onServing
        let calls =
            Handler.identity(configuration: configuration, readiness: readiness)
            + Handler.controller(controller) + Handler.node(node)
        responder = Responder(
            configuration: configuration,
            handlers: calls,
            health: health,
            liveness: liveness,
            metrics: metrics,
            logger: logger
        )
        metrics.registerProcess(version: configuration.version, driver: configuration.driverName)
    }

    /// Serves until graceful shutdown.
    ///
    /// - Throws: `SocketError` if the socket cannot be created.
    package func run() async throws {
        let place = try SocketPlace(configuration.socketPath)
        try await place.take()
        defer { place.abandon() }
        let publishing = Mutex<SocketError?>(nil)
        // Its own lines name the socket's temporary place.
        var quiet = logger
        quiet.logLevel = max(quiet.logLevel, .error)
        let server = HummingbirdCore.Server(
            childChannelSetup: responder.channel(configuration),
            configuration: HummingbirdCore.ServerConfiguration(
                address: .unixDomainSocket(path: place.stagingPath),
                availableConnectionsDelegate: .maximum(Self.accepting * configuration.mostConnections, logger: quiet)
            ),
            onServerRunning: { [logger, onServing] channel in
                do throws(SocketError) {
                    try place.publish()
                } catch {
                    publishing.withLock { $0 = error }
                    channel.close(promise: nil)
                    return
                }
                logger.info("serving", metadata: [LogKey.socket: "\(place.path)"])
                await onServing()
            },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: quiet
        )
        try await server.run()
        if let error = publishing.withLock({ $0 }) { throw error }
        logger.info("no longer serving", metadata: [LogKey.socket: "\(place.path)"])
    }
}
