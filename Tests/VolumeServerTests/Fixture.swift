import Blocking
import Curl
import FoundationEssentials
import Glibc
import ServiceLifecycle
import Synchronization
import Testing
import VolumeAPI
import VolumeClient
import VolumeServer
import Volumes

/// A server with fakes behind it, on a socket in a directory of its own.
struct Fixture: Sendable {
    let socketPath: String
    let controller = FakeController()
    let node = FakeNode()
    let metrics = MetricsRegistry()
    let lines = LogLines()
    let pool = BlockingPool(threads: 16)

    var client: VolumeClient { VolumeClient(socketPath: socketPath, pool: pool) }
    var http: HTTPClient { HTTPClient(pool: pool) }

    /// Posts as `curl` would.
    func post(
        _ path: String,
        _ body: String,
        headers: [(name: String, value: String)] = [("Content-Type", "application/json")]
    ) async throws -> HTTPResponse {
        try await http.post(
            unixSocket: socketPath,
            path: path,
            headers: headers,
            body: Array(body.utf8),
            timeout: .seconds(20)
        )
    }

    func get(_ path: String) async throws -> HTTPResponse {
        try await http.send(HTTPRequest(unixSocket: socketPath, path: path, timeout: .seconds(20)))
    }

    /// Lends a path in a new directory to `body` and removes the directory afterwards.
    static func withDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
        let name = (0..<8).map { _ in String(UInt8.random(in: 0...255), radix: 16) }.joined()
        let directory = "/tmp/nacre-test-\(name)"
        try #require(mkdir(directory, 0o700) == 0)
        let outcome: Result<R, any Error>
        do { outcome = .success(try await body(directory)) } catch { outcome = .failure(error) }
        try FileManager.default.removeItem(atPath: directory)
        return try outcome.get()
    }

    /// Serves, lends the fixture to `body`, and shuts down.
    static func with(
        configure: (inout ServerConfiguration) -> Void = { _ in },
        readiness: @escaping @Sendable () async -> Readiness = { .ready },
        health: @escaping @Sendable () async -> Health = { Health([]) },
        liveness: Liveness = Liveness(),
        _ body: (Fixture) async throws -> Void
    ) async throws {
        try await withDirectory { directory in
            let fixture = Fixture(socketPath: directory + "/run/csi.sock")
            var configuration = ServerConfiguration(
                socketPath: fixture.socketPath,
                driverName: "rbd.nacre.io",
                version: "1.2.3"
            )
            configure(&configuration)
            try await serve(fixture, configuration, readiness, health, liveness) { try await body(fixture) }
        }
    }

    static func serve(
        _ fixture: Fixture,
        _ configuration: ServerConfiguration,
        _ readiness: @escaping @Sendable () async -> Readiness = { .ready },
        _ health: @escaping @Sendable () async -> Health = { Health([]) },
        _ liveness: Liveness = Liveness(),
        _ body: () async throws -> Void
    ) async throws {
        let (serving, continuation) = AsyncStream<Void>.makeStream()
        let server = VolumeServer(
            configuration: configuration,
            controller: fixture.controller,
            node: fixture.node,
            readiness: readiness,
            health: health,
            liveness: liveness,
            metrics: fixture.metrics,
            logger: fixture.lines.logger,
            onServing: { continuation.yield() }
        )
        let group = ServiceGroup(configuration: .init(services: [server], logger: fixture.lines.logger))
        let running = Task {
            defer { continuation.finish() }
            try await group.run()
        }
        for await _ in serving { break }
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        await group.triggerGracefulShutdown()
        try await running.value
        try outcome.get()
    }
}

/// Expects an answer's status.
func expect(_ status: Int, _ answer: HTTPResponse, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(answer.status == status, "\(String(decoding: answer.body, as: UTF8.self))", sourceLocation: sourceLocation)
}
