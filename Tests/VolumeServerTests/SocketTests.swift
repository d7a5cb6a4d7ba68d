import Blocking
import Curl
import Glibc
import ServiceLifecycle
import Synchronization
import Testing
import VolumeAPI
import VolumeClient
import VolumeServer

@Suite("The socket")
struct SocketTests {
    private static func status(of path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    private static func configuration(_ path: String) -> ServerConfiguration {
        ServerConfiguration(socketPath: path, driverName: "rbd.nacre.io", version: "1")
    }

    private static func server(_ path: String) -> VolumeServer {
        VolumeServer(
            configuration: configuration(path),
            controller: nil,
            node: nil,
            metrics: MetricsRegistry(),
            logger: LogLines().logger
        )
    }

    @Test("It is the owner's alone, as is a directory made for it, and both say so on disk")
    func modes() async throws {
        try await Fixture.with { fixture in
            #expect(Self.status(of: fixture.socketPath)?.st_mode == S_IFSOCK | 0o600)
            let parent = String(fixture.socketPath.dropLast("/csi.sock".count))
            #expect(Self.status(of: parent)?.st_mode == S_IFDIR | 0o700)
            #expect(Self.status(of: fixture.socketPath + ".new") == nil)
        }
    }

    @Test("A directory that ends before a combining character is the one that the kernel sees")
    func combining() async throws {
        try await Fixture.withDirectory { directory in
            let fixture = Fixture(socketPath: "\(directory)/a/\u{301}.sock")
            try await Fixture.serve(fixture, Self.configuration(fixture.socketPath)) {
                #expect(Self.status(of: fixture.socketPath)?.st_mode == S_IFSOCK | 0o600)
                #expect(Self.status(of: "\(directory)/a")?.st_mode == S_IFDIR | 0o700)
            }
        }
    }

    @Test("Graceful shutdown lets the call under way end, then takes the socket away")
    func shutdown() async throws {
        try await Fixture.withDirectory { directory in
            let fixture = Fixture(socketPath: directory + "/csi.sock")
            fixture.controller.state.withLock { $0.delay = .milliseconds(500) }
            let calls = AsyncStream<Result<CSI.Controller.CreateVolume.Response, ConnectError>>.makeStream()
            try await Fixture.serve(fixture, Self.configuration(fixture.socketPath)) {
                Task {
                    do throws(ConnectError) {
                        let request = CallTests.creation("a")
                        calls.continuation.yield(
                            .success(try await fixture.client.call(CSI.Controller.CreateVolume.self, request))
                        )
                    } catch {
                        calls.continuation.yield(.failure(error))
                    }
                }
                try await eventually { !fixture.controller.calls.isEmpty }
            }
            #expect(Self.status(of: fixture.socketPath) == nil)
            for await outcome in calls.stream {
                let volume = try outcome.get().volume
                #expect(volume?.volumeID == "c1/replicapool//csi-vol-a")
                break
            }
        }
    }

    @Test("A socket that nobody serves is taken over")
    func stale() async throws {
        try await Fixture.withDirectory { directory in
            let path = directory + "/csi.sock"
            try bindAndForget(path)
            #expect(Self.status(of: path) != nil)
            let fixture = Fixture(socketPath: path)
            try await Fixture.serve(fixture, Self.configuration(path)) {
                expect(200, try await fixture.post("/csi.v1.Identity/Probe", "{}"))
            }
            #expect(Self.status(of: path) == nil)
        }
    }

    @Test("What a killed server left half-made is no obstacle")
    func halfMade() async throws {
        try await Fixture.withDirectory { directory in
            let path = directory + "/csi.sock"
            try #require(mkdir(path + ".new", 0o700) == 0)
            try bindAndForget(path + ".new/s")
            let fixture = Fixture(socketPath: path)
            try await Fixture.serve(fixture, Self.configuration(path)) {
                expect(200, try await fixture.post("/csi.v1.Identity/Probe", "{}"))
            }
            #expect(Self.status(of: path + ".new") == nil)
        }
    }

    @Test("A second server is told of the first, which goes on serving")
    func second() async throws {
        try await Fixture.with { fixture in
            let error = await #expect(throws: SocketError.self) { try await Self.server(fixture.socketPath).run() }
            #expect(error?.description.contains("another nacre serves on '\(fixture.socketPath)'") == true)
            expect(200, try await fixture.post("/csi.v1.Identity/Probe", "{}"))
        }
    }

    @Test("Of servers that start at once one serves and the others are told")
    func race() async throws {
        try await Fixture.withDirectory { directory in
            let path = directory + "/csi.sock"
            let groups = (0..<6).map { _ in
                ServiceGroup(configuration: .init(services: [Self.server(path)], logger: LogLines().logger))
            }
            @Sendable func stop() async {
                for group in groups { await group.triggerGracefulShutdown() }
            }
            // Two that serve would wait for ever.
            let limit = Task {
                try await Task.sleep(for: .seconds(60))
                await stop()
            }
            defer { limit.cancel() }
            await withTaskGroup(of: (any Error)?.self) { servers in
                for group in groups {
                    servers.addTask {
                        do {
                            try await group.run()
                            return nil
                        } catch {
                            return error
                        }
                    }
                }
                var refusals: [String] = []
                for await refusal in servers {
                    if let refusal { refusals.append("\(refusal)") }
                    if refusals.count == groups.count - 1 { await stop() }
                }
                #expect(refusals.count == groups.count - 1)
                #expect(refusals.allSatisfy { $0.contains("another nacre") }, "\(refusals)")
            }
        }
    }

    @Test("A file in its place is refused and left alone")
    func file() async throws {
        try await Fixture.withDirectory { directory in
            let path = directory + "/csi.sock"
            let descriptor = open(path, O_WRONLY | O_CREAT, 0o644)
            try #require(descriptor >= 0)
            write(descriptor, "data", 4)
            close(descriptor)
            let error = await #expect(throws: SocketError.self) { try await Self.server(path).run() }
            #expect(error?.description.contains("not a socket") == true)
            #expect(Self.status(of: path)?.st_size == 4)
            #expect(Self.status(of: path + ".new") == nil)
        }
    }

    @Test(
        "A path that cannot be a socket's is refused with its reason",
        arguments: [
            ("csi.sock", "starts with '/'"), ("", "starts with '/'"), ("/tmp/", "ends in a name"),
            ("/tmp/" + String(repeating: "a", count: 97), "102 bytes, the limit for a socket is 101"),
            ("/proc/nacre/csi.sock", "mkdir"),
        ]
    )
    func badPath(path: String, words: String) async throws {
        let error = await #expect(throws: SocketError.self) { try await Self.server(path).run() }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test("A socket that somebody else put in our place is not taken away at shutdown")
    func replaced() async throws {
        try await Fixture.withDirectory { directory in
            let path = directory + "/csi.sock"
            let fixture = Fixture(socketPath: path)
            try await Fixture.serve(fixture, Self.configuration(path)) {
                try #require(unlink(path) == 0)
                try bindAndForget(path)
            }
            #expect(Self.status(of: path) != nil)
        }
    }

    private func bindAndForget(_ path: String) throws {
        let descriptor = try #require(UnixSocket.open())
        defer { close(descriptor) }
        try #require(UnixSocket.withAddress(path) { bind(descriptor, $0, $1) } == 0)
    }
}

/// Looks every 5 ms, at most 60 s.
func eventually(_ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while !condition() {
        try #require(.now < deadline, "it did not come about in 60 s")
        try await Task.sleep(for: .milliseconds(5))
    }
}
