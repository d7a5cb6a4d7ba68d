import Curl
import Glibc
import Synchronization
import TestSupport
import Testing
import VolumeAPI
import VolumeClient
import VolumeServer

@Suite("Limits")
struct LimitTests {
    private static let head =
        "POST /csi.v1.Controller/DeleteVolume HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

    @Test(
        "A body above the limit is refused, and the connection's memory does not grow with it",
        arguments: [65, 300, 900]
    )
    func largeBody(kibibytes: Int) async throws {
        try await Fixture.with { configuration in
            configuration.largestBodyBytes = 64 << 10
        } _: { fixture in
            let padding = String(repeating: "p", count: kibibytes << 10)
            let answer = try await fixture.post("/csi.v1.Controller/DeleteVolume", "{\"padding\":\"\(padding)\"}")
            #expect(answer.status == 429)
            #expect(ConnectError(httpStatus: answer.status, body: answer.body).code == .resourceExhausted)
            #expect(fixture.controller.calls.isEmpty)
            expect(200, try await fixture.post("/csi.v1.Identity/Probe", "{}"))
        }
    }

    @Test("A body of the limit's size is taken")
    func fullBody() async throws {
        try await Fixture.with { configuration in
            configuration.largestBodyBytes = 64 << 10
        } _: { fixture in
            let start = #"{"padding":""#
            let padding = String(repeating: "p", count: (64 << 10) - start.utf8.count - 2)
            expect(200, try await fixture.post("/csi.v1.Identity/Probe", start + padding + "\"}"))
        }
    }

    @Test("A client that never stops sending is cut off")
    func endless() async throws {
        try await Fixture.with { configuration in
            configuration.largestBodyBytes = 16 << 10
        } _: { fixture in
            let chunk = "4000\r\n" + String(repeating: "x", count: 0x4000) + "\r\n"
            let parts = [Self.head + "Transfer-Encoding: chunked\r\n\r\n"] + Array(repeating: chunk, count: 64)
            let answer = try await UnixSocket.exchange(fixture.socketPath, parts)
            #expect(answer.hasPrefix("HTTP/1.1 429"), "\(answer)")
            #expect(fixture.controller.calls.isEmpty)
        }
    }

    @Test("Half a body is waited for no longer than the read timeout")
    func slowBody() async throws {
        try await Fixture.with { configuration in
            configuration.readTimeout = .milliseconds(300)
        } _: { fixture in
            let started = ContinuousClock.now
            let parts = [Self.head + "Content-Length: 1000\r\n\r\n{\"volumeId\":"]
            let answer = try await UnixSocket.exchange(fixture.socketPath, parts)
            #expect(.now - started < .seconds(60))
            #expect(answer.hasPrefix("HTTP/1.1 504"), "\(answer)")
            #expect(fixture.controller.calls.isEmpty)
        }
    }

    @Test("A body that comes byte by byte is waited for no longer either")
    func trickledBody() async throws {
        try await Fixture.with { configuration in
            configuration.readTimeout = .milliseconds(300)
        } _: { fixture in
            let started = ContinuousClock.now
            let parts = [Self.head + "Content-Length: 1000\r\n\r\n"] + Array(repeating: " ", count: 100)
            let answer = try await UnixSocket.exchange(fixture.socketPath, parts, pause: .milliseconds(20))
            #expect(.now - started < .seconds(60))
            #expect(answer.hasPrefix("HTTP/1.1 504"), "\(answer)")
        }
    }

    @Test(
        "Half a head, and a connection that lies idle, are closed after the idle timeout",
        arguments: ["", "POST /csi"]
    )
    func slowHead(sent: String) async throws {
        try await Fixture.with { configuration in
            configuration.idleTimeout = .milliseconds(300)
        } _: { fixture in
            let started = ContinuousClock.now
            _ = try await UnixSocket.exchange(fixture.socketPath, [sent])
            #expect(.now - started < .seconds(20))
        }
    }

    @Test("A head that comes byte by byte is waited for no longer than the read timeout, also on a connection in use")
    func trickledHead() async throws {
        try await Fixture.with { configuration in
            configuration.readTimeout = .milliseconds(300)
        } _: { fixture in
            let whole = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            for first in [[], [whole]] {
                let parts = first + Array(repeating: "GET /metrics HTTP/1.1 ", count: 100).joined().map { String($0) }
                _ = try await UnixSocket.exchange(fixture.socketPath, parts, pause: .milliseconds(20))
            }
        }
    }

    @Test("Connections that lie idle, send slowly or do not read keep nobody out, nor from health and metrics")
    func idleConnections() async throws {
        try await Fixture.with { configuration in
            configuration.mostConnections = 16
            configuration.mostCalls = 8
        } _: { fixture in
            fixture.controller.state.withLock { $0.delay = .seconds(20) }
            let body = BadRequest.body("Controller/CreateVolume")
            let slow = (0..<8).map { _ in
                Task { try await fixture.post("/csi.v1.Controller/CreateVolume", body).status }
            }
            try await eventually { fixture.controller.calls.count == 8 }
            let metrics = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            let openings = ["", "POST /csi", Self.head + "Content-Length: 1000\r\n\r\n{", metrics]
            var descriptors: [Int32] = []
            defer { for descriptor in descriptors { close(descriptor) } }
            for number in 0..<200 {
                let descriptor = try #require(UnixSocket.open())
                descriptors.append(descriptor)
                try #require(UnixSocket.withAddress(fixture.socketPath) { connect(descriptor, $0, $1) } == 0)
                let bytes = Array(openings[number % openings.count].utf8)
                // A closed connection may refuse it.
                _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            }
            let started = ContinuousClock.now
            expect(200, try await fixture.get("/healthz"))
            expect(200, try await fixture.get("/metrics"))
            // The limit of calls is reached; that is an answer too.
            #expect([200, 503].contains(try await fixture.post("/csi.v1.Identity/GetPluginInfo", "{}").status))
            // Before the calls in progress can have ended, and long before the idle time-out.
            #expect(.now - started < .seconds(20))
            fixture.controller.state.withLock { $0.delay = .zero }
            for call in slow { #expect(try await call.value == 200) }
        }
    }

    @Test("Requests without number from clients that read no answers keep nobody out")
    func pipelined() async throws {
        let looks = Mutex(0)
        try await Fixture.with { configuration in
            configuration.mostConnections = 64
        } health: {
            looks.withLock { $0 += 1 }
            try? await Task.sleep(for: .milliseconds(50))
            return Health([Health.Part("all", isWell: true, message: "well")])
        } _: { fixture in
            let requests = Array(String(repeating: "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", count: 500).utf8)
            var descriptors: [Int32] = []
            defer { for descriptor in descriptors { close(descriptor) } }
            for _ in 0..<72 {
                let descriptor = try #require(UnixSocket.open())
                descriptors.append(descriptor)
                try #require(UnixSocket.withAddress(fixture.socketPath) { connect(descriptor, $0, $1) } == 0)
                _ = send(descriptor, requests, requests.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            expect(200, try await fixture.get("/healthz"))
            expect(200, try await fixture.post("/csi.v1.Identity/Probe", "{}"))
            // Each of them would have had 500 looks.
            #expect(looks.withLock { $0 } < 72 * 500 / 10)
        }
    }

    @Test("The metrics are written once for all requests that wait for them, and anew for one that comes later")
    func metricsAtOnce() async throws {
        try await Fixture.with { fixture in
            let count = WritingCount()
            fixture.metrics.registerGauge("test_writings", "How often they were written.") { count.next() }
            let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n"
            let last = request + "Connection: close\r\n\r\n"
            let requests = String(repeating: request + "\r\n", count: 99) + last
            let answer = try await UnixSocket.exchange(fixture.socketPath, [requests])
            #expect(answer.ranges(of: "HTTP/1.1 200").count == 100)
            // They come in a few parts, each of which is new.
            #expect(count.value < 50, "\(count.value)")
            let before = count.value
            expect(200, try await fixture.get("/metrics"))
            #expect(count.value == before + 1)
        }
    }

    @Test(
        "A connection with too many requests that wait for their answers is closed, and what else it sent is left alone",
        arguments: ["GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", head + "Content-Length: 2\r\n\r\n{}"]
    )
    func tooManyPipelined(request: String) async throws {
        try await Fixture.with { fixture in
            // The end of the connection is an answer; that it stays open is a failure of `exchange`.
            let answer = try await UnixSocket.exchange(fixture.socketPath, [String(repeating: request, count: 200)])
            #expect(answer.ranges(of: "HTTP/1.1 ").count < 200)
            #expect(fixture.controller.calls.count < 200)
            expect(200, try await fixture.get("/livez"))
        }
    }

    @Test("A client may send a few requests before it reads the answers")
    func fewPipelined() async throws {
        try await Fixture.with { fixture in
            let parts =
                Array(repeating: "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", count: 7)
                + ["GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
            let answer = try await UnixSocket.exchange(fixture.socketPath, [parts.joined()])
            #expect(answer.ranges(of: "HTTP/1.1 200").count == 8, "\(answer)")
        }
    }

    @Test(
        "A connection is closed behind the answer where the client expects it, and else kept",
        arguments: [
            ("HTTP/1.0", "", true), ("HTTP/1.0", "Connection: keep-alive\r\n", false), ("HTTP/1.1", "", false),
            ("HTTP/1.1", "Connection: close\r\n", true),
        ]
    )
    func keepsAlive(_ version: String, _ header: String, _ closes: Bool) async throws {
        try await Fixture.with { fixture in
            let request = "GET /healthz \(version)\r\nHost: x\r\n\(header)\r\n"
            // If the connection is kept, the second request is answered last.
            let last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            let answer = try await UnixSocket.exchange(fixture.socketPath, closes ? [request] : [request, last])
            #expect(answer.split(separator: "\"ok\":true").count == (closes ? 2 : 3), "\(answer)")
            let first = answer.prefix { $0 != "{" }.lowercased()
            #expect(first.contains("connection: keep-alive") == (version == "HTTP/1.0" && !closes), "\(answer)")
        }
    }

    @Test("A body that is announced as far too long is refused before it comes")
    func farTooLong() async throws {
        try await Fixture.with { configuration in
            configuration.readTimeout = .seconds(60)
        } _: { fixture in
            let start = ContinuousClock.now
            let answer = try await UnixSocket.exchange(
                fixture.socketPath,
                [Self.head + "Content-Length: 99999999999\r\n\r\n{"]
            )
            #expect(!answer.isEmpty && !answer.hasPrefix("HTTP/1.1 2"), "\(answer)")
            #expect(.now - start < .seconds(20), "\(answer)")
            #expect(fixture.controller.calls.isEmpty)
        }
    }

    @Test(
        "What is not HTTP, or ends before it is whole, is refused and reaches no service",
        arguments: [
            "\u{0}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "POST / HTTP/9.9\r\n\r\n", "BREW / HTTP/1.1\r\n\r\n",
            "hello\r\n\r\n",
            head + "Content-Length: -1\r\n\r\n", head + "Content-Length: x\r\n\r\n{}",
            head + "Content-Length: 10\r\nContent-Length: 20\r\n\r\n{}",
            head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
            head + "Content-Length: 500\r\n\r\n{\"volumeId\":\"a\"}",
            head + "X: " + String(repeating: "h", count: 200_000) + "\r\n\r\n",
        ]
    )
    func notHTTP(sent: String) async throws {
        try await Fixture.with { configuration in
            configuration.idleTimeout = .seconds(2)
            configuration.readTimeout = .seconds(1)
        } _: { fixture in
            let answer = try await UnixSocket.exchange(fixture.socketPath, [sent], halfClose: true)
            #expect(!answer.hasPrefix("HTTP/1.1 2"), "\(answer)")
            #expect(fixture.controller.calls.isEmpty)
            expect(200, try await fixture.post("/csi.v1.Identity/Probe", "{}"))
        }
    }

    @Test("Calls beyond the limit are turned away at once with unavailable, health and metrics are not")
    func tooManyCalls() async throws {
        try await Fixture.with { configuration in
            configuration.mostCalls = 2
        } _: { fixture in
            fixture.controller.state.withLock { $0.delay = .seconds(20) }
            let body = BadRequest.body("Controller/CreateVolume")
            let slow = (0..<2).map { _ in
                Task { try await fixture.post("/csi.v1.Controller/CreateVolume", body).status }
            }
            try await eventually { fixture.controller.calls.count == 2 }
            let started = ContinuousClock.now
            let refused = try await fixture.post("/csi.v1.Controller/CreateVolume", body)
            #expect(refused.status == 503)
            #expect(String(decoding: refused.body, as: UTF8.self).contains("which is the limit"))
            expect(200, try await fixture.get("/healthz"))
            expect(200, try await fixture.get("/metrics"))
            // Before the calls in progress can have ended.
            #expect(.now - started < .seconds(20))
            fixture.controller.state.withLock { $0.delay = .zero }
            for call in slow { #expect(try await call.value == 200) }
            expect(200, try await fixture.post("/csi.v1.Controller/CreateVolume", body))
        }
    }

    @Test("Many calls at once all get their own answer")
    func concurrent() async throws {
        try await Fixture.with { fixture in
            let volumes = try await withThrowingTaskGroup(of: (String, String?).self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let request = CallTests.creation("v\(number)")
                        let response = try await fixture.client.call(CSI.Controller.CreateVolume.self, request)
                        return ("c1/replicapool//csi-vol-v\(number)", response.volume?.volumeID)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(volumes.count == 200)
            #expect(volumes.allSatisfy { $0.0 == $0.1 })
        }
    }

    @Test("Two thousand calls on one connection keep no memory")
    func memory() async throws {
        try await Fixture.with { fixture in
            let body = BadRequest.body("Controller/CreateVolume")
            let request =
                "POST /csi.v1.Controller/CreateVolume HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            let last = request.replacing("Host: x\r\n", with: "Host: x\r\nConnection: close\r\n")
            func run(_ count: Int) async throws {
                let parts = Array(repeating: request, count: count - 1) + [last]
                let answer = try await UnixSocket.exchange(fixture.socketPath, [parts.joined()])
                #expect(answer.split(separator: "HTTP/1.1 200").count == count)
            }
            try await run(100)
            // All tests run in this process, and some allocate memory meanwhile. A leak would show each time.
            var growth: [Int] = []
            repeat {
                let before = residentBytes(fixture.metrics.text)
                for _ in 0..<20 { try await run(100) }
                growth.append(residentBytes(fixture.metrics.text) - before)
            } while growth.count < 5 && growth.allSatisfy { $0 >= 32 << 20 }
            #expect(growth.contains { $0 < 32 << 20 }, "\(growth)")
        }
    }

    private func residentBytes(_ text: String) -> Int {
        text.split(separator: "\n").first { $0.hasPrefix("process_resident_memory_bytes") }
            .flatMap { $0.split(separator: " ").last }.flatMap { Int($0) } ?? 0
    }
}

/// How often the metrics were written.
private final class WritingCount: Sendable {
    private let number = Mutex(0)

    var value: Int { number.withLock { $0 } }

    func next() -> Double {
        number.withLock { number in
            number += 1
            return Double(number)
        }
    }
}
