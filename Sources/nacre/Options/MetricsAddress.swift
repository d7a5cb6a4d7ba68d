import ArgumentParser
internal import ExactText
import Logging
import ServiceLifecycle
import VolumeServer

/// Where metrics are served beside the socket: `0.0.0.0:9808`.
struct MetricsAddress: ExpressibleByArgument, Sendable {
    let host: String
    let port: Int

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let port = Int(argument[argument.index(after: colon)...]),
            (1...65535).contains(port)
        else { return nil }
        let host = argument[..<colon]
        // An IPv6 address is in brackets, so that its colons are not ours.
        self.host =
            host.isEmpty ? "0.0.0.0" : String(host.startsExactly(with: "[") ? host.dropFirst().dropLast() : host)
        self.port = port
    }

    /// What serves them there.
    func server(
        _ registry: MetricsRegistry,
        health: @escaping @Sendable () async -> Health,
        liveness: Liveness,
        logger: Logger
    ) -> any Service {
        MetricsServer(host: host, port: port, health: health, liveness: liveness, metrics: registry, logger: logger)
    }
}
