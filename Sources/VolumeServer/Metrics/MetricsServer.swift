internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Volumes

/// `/metrics`, `/healthz` and `/livez` on a TCP port, for Prometheus and kubelet; CSI calls are not served there.
package struct MetricsServer: Service {
    private let host: String
    private let port: Int
    private let configuration: ServerConfiguration
    private let responder: Responder
    private let logger: Logger

    /// Puts a server together.
    ///
    /// - Parameters:
    ///   - host: `0.0.0.0` for all of the machine's addresses.
    ///   - port: A TCP port.
    ///   - health: Asked by `/healthz`.
    ///   - liveness: Asked by `/livez`.
    ///   - metrics: Shown at `/metrics`.
    ///   - logger: Where failures are told.
    package init(
        host: String,
        port: Int,
        health: @escaping @Sendable () async -> Health,
        liveness: Liveness,
        metrics: MetricsRegistry,
        logger: Logger
    ) {
        self.host = host
        self.port = port
        self.logger = logger
        var configuration = ServerConfiguration(socketPath: "", driverName: "", version: "")
        configuration.mostConnections = 32
        self.configuration = configuration
        responder = Responder(
            configuration: configuration,
            handlers: [],
            health: health,
            liveness: liveness,
            metrics: metrics,
            logger: logger
        )
    }

    /// Serves until graceful shutdown.
    package func run() async throws {
        var quiet = logger
        quiet.logLevel = max(quiet.logLevel, .error)
        let server = HummingbirdCore.Server(
            childChannelSetup: responder.channel(configuration),
            configuration: HummingbirdCore.ServerConfiguration(
                address: .hostname(host, port: port),
                availableConnectionsDelegate: .maximum(
                    VolumeServer.accepting * configuration.mostConnections,
                    logger: quiet
                )
            ),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: quiet
        )
        logger.info("serving metrics", metadata: [LogKey.socket: "\(host):\(port)"])
        try await server.run()
    }
}
