import ArgumentParser
internal import ExactText
import Glibc
import LinuxKernel
import Logging
import NIOCore
import ServiceLifecycle
import SystemPackage
import VolumeServer

/// Where metrics are served beside the socket: `0.0.0.0:9808`.
struct MetricsAddress: Sendable {
    let host: String
    let port: Int

    /// Reads an address.
    init(parsing argument: String) throws(ValidationError) {
        guard let colon = argument.lastIndex(of: ":"), let port = Int(argument[argument.index(after: colon)...]),
            (1...65535).contains(port)
        else {
            throw ValidationError(
                "'\(argument)' is not host:port with a port of 1 to 65535; write such as 0.0.0.0:9808"
            )
        }
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
        let server = MetricsServer(
            host: host,
            port: port,
            health: health,
            liveness: liveness,
            metrics: registry,
            logger: logger
        )
        return Listening(address: self, server: server)
    }

    /// Says what could not be served where.
    private struct Listening: Service {
        let address: MetricsAddress
        let server: MetricsServer

        func run() async throws {
            do {
                try await server.run()
            } catch let error as IOError {
                let cause = KernelError("bind", Errno(rawValue: error.errnoCode), "\(address.host):\(address.port)")
                throw CommandFailure(
                    error.errnoCode == EACCES ? .notPermitted : .failed,
                    "cannot serve metrics on '\(address.host):\(address.port)': \(cause.words); name another address by "
                        + "--metrics-address"
                )
            }
        }
    }
}

/// Reads an address for ArgumentParser, with a specific error message.
@Sendable func listenAddress(_ text: String) throws -> MetricsAddress {
    try MetricsAddress(parsing: text)
}
