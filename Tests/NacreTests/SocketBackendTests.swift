import Foundation
import TestSupport
import Testing
import Volumes

@testable import nacre

/// How often and how long a command waits for what the service says of itself.
@Suite("A service behind its socket")
struct SocketBackendTests {
    /// A service that knows one cluster, notes each look at `/healthz`, and answers it after so many seconds; the first so
    /// many of its answers say nothing.
    private static let script = """
        import http.server, socketserver, sys, time
        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            empty = int(sys.argv[3])
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *words): pass
            def answer(self, text):
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.answer(b"{}")
            def do_GET(self):
                print(self.path, flush=True)
                time.sleep(float(sys.argv[2]))
                if Server.empty:
                    Server.empty -= 1
                    return self.answer(b"")
                self.answer(b'{"parts":[{"name":"configuration","ok":true,"message":""},{"name":"cluster/a/pool/shut",'
                            b'"ok":false,"message":"client.x may not read it"}]}')
        Server(sys.argv[1], Handler).serve_forever()
        """

    private func with(
        delay: Double,
        emptyAnswers: Int = 0,
        _ body: (SocketBackend) async throws -> Void
    ) async throws -> Int {
        let path = "/tmp/nacre-h\(UInt32.random(in: 0...UInt32.max))"
        let server = try ChildProcess(
            "/usr/bin/python3",
            ["-c", Self.script, "\(path).sock", "\(delay)", "\(emptyAnswers)"],
            log: "\(path).log"
        )
        defer {
            server.send(SIGKILL)
            for part in ["sock", "log"] { try? FileManager.default.removeItem(atPath: "\(path).\(part)") }
        }
        try await eventually("the service answers") { (try? await SocketBackend(path: "\(path).sock")) != nil }
        try await body(try await SocketBackend(path: "\(path).sock"))
        // Python also tells there of clients that have gone.
        let lines = try String(contentsOfFile: "\(path).log", encoding: .utf8).split(separator: "\n")
        return lines.filter { $0 == "/healthz" }.count
    }

    private static let silence = ["the service does not say which clusters it can use"]

    /// Does it anew where the six seconds were over that a command waits: on a busy machine Python may take them.
    private func untilTold(_ body: () async throws -> Bool) async throws {
        for _ in 0..<3 { if try await body() { return } }
        Issue.record("the service was not heard within six seconds, three times")
    }

    @Test("Whoever asks for its health meanwhile, and soon after, gets one answer to one question")
    func once() async throws {
        try await untilTold {
            var isTold = true
            let looks = try await with(delay: 0.5) { backend in
                async let faults = backend.configurationFaults()
                async let refused = backend.refusedPools()
                let (first, second) = await (faults, refused)
                isTold = first != Self.silence
                guard isTold else { return }
                #expect(first == [] && second.count == 1)
                let again = await backend.refusedPools()
                #expect(again.count == 1)
            }
            #expect(looks == 1 || !isTold)
            return isTold
        }
    }

    @Test("A look at a pool ends at its deadline, though the health is not told yet")
    func deadline() async throws {
        _ = try await with(delay: 600) { backend in
            // Who has no deadline of his own waits six seconds.
            let ends = await withTaskGroup(of: [String].self) { group in
                group.addTask { await backend.configurationFaults() }
                group.addTask {
                    let absence = await backend.absence(ofPool: "p", deadline: .now + .milliseconds(300))
                    return ["absence: \(absence?.message ?? "none")"]
                }
                return await group.reduce(into: []) { $0 += $1 }
            }
            #expect(ends == ["absence: none"] + Self.silence)
        }
    }

    @Test("What the service did not say is asked again at once")
    func unsaid() async throws {
        try await untilTold {
            var isTold = true
            let looks = try await with(delay: 0, emptyAnswers: 1) { backend in
                #expect(await backend.configurationFaults() == Self.silence)
                let again = await backend.configurationFaults()
                isTold = again != Self.silence
                #expect(again == [] || !isTold)
            }
            #expect(looks == 2)
            return isTold
        }
    }
}
