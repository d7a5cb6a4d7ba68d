import Curl
import Secrets
import Synchronization
import TestSupport
import Testing

@Suite("Requests on one thread")
struct ConnectionsTests {
    private func request(
        _ server: ScriptedServer,
        _ path: String = "/",
        timeout: Duration = .seconds(120),
        idle: Duration? = nil
    ) -> HTTPRequest {
        HTTPRequest(to: .server(server.url, TLSIdentity()), path: path, timeout: timeout, idleTimeout: idle)
    }

    @Test("Many requests at once each get their own answer")
    func many() async throws {
        let server = try ScriptedServer { request, connection in connection.answer(200, request.target) }
        let connections = try HTTPConnections()
        let answers = try await withThrowingTaskGroup { group in
            for number in 0..<100 {
                group.addTask {
                    let answer = try await connections.send(request(server, "/\(number)"))
                    return String(decoding: answer.body, as: UTF8.self) == "/\(number)"
                }
            }
            var right = 0
            for try await isRight in group where isRight { right += 1 }
            return right
        }
        #expect(answers == 100)
    }

    @Test("Lines come whole, however the bytes are cut, and the last one needs no end")
    func lines() async throws {
        let server = try ScriptedServer { _, connection in
            connection.head(200)
            // Half of an é, half of a line, two lines at once.
            for part in ["{\"a\":\"\u{E9}\"}".utf8.prefix(7).map(\.self), [0xA9], Array("\"}\nse".utf8)] {
                connection.send(part)
                connection.pause(milliseconds: 20)
            }
            connection.send("cond\nthird\n\nlast")
        }
        let stream = try await HTTPConnections().open(request(server))
        #expect(stream.status == 200)
        var lines: [String] = []
        while let line = try await stream.nextLine() { lines.append(String(decoding: line, as: UTF8.self)) }
        #expect(lines == ["{\"a\":\"\u{E9}\"}", "second", "third", "", "last"])
    }

    @Test("A reader that does not read holds the server up, and all comes when it reads again")
    func backpressure() async throws {
        let sent = Atomic<Int>(0)
        let line = String(repeating: "x", count: 1023) + "\n"
        let server = try ScriptedServer { _, connection in
            connection.head(200)
            for _ in 0..<65_536 {
                guard connection.send(line) else { return }
                sent.add(1024, ordering: .relaxed)
            }
        }
        let stream = try await HTTPConnections().open(request(server, timeout: .seconds(120)), bufferBytes: 64 << 10)
        _ = try await stream.nextLine()
        // Until it no longer changes; the kernel's buffers hold some MiB.
        var before = -1
        while before != sent.load(ordering: .relaxed) {
            before = sent.load(ordering: .relaxed)
            try await Task.sleep(for: .milliseconds(300))
        }
        #expect(before < 32 << 20)
        var count = 1
        while let line = try await stream.nextLine() {
            #expect(line.count == 1023)
            count += 1
        }
        #expect(count == 65_536)
    }

    @Test("A line longer than the buffer comes all the same")
    func longLine() async throws {
        let server = try ScriptedServer { _, connection in
            connection.head(200)
            connection.send(String(repeating: "y", count: 3 << 20) + "\nshort\n")
        }
        let stream = try await HTTPConnections().open(request(server), bufferBytes: 64 << 10)
        #expect(try await stream.nextLine()?.count == 3 << 20)
        #expect(try await stream.nextLine()?.count == 5)
        #expect(try await stream.nextLine() == nil)
    }

    @Test("Cancelling the task calls the transfer off, waiting for an answer or for a line")
    func cancellation() async throws {
        let hungUp = Atomic<Int>(0)
        let server = try ScriptedServer { request, connection in
            if request.target == "/lines" { connection.head(200) }
            while !connection.isClosed { connection.pause(milliseconds: 10) }
            hungUp.add(1, ordering: .relaxed)
        }
        let connections = try HTTPConnections()
        let sending = Task { try await connections.send(request(server)) }
        let reading = Task {
            let stream = try await connections.open(request(server, "/lines"))
            return try await stream.nextLine()
        }
        try await eventually("both have asked") { server.requests.count == 2 }
        sending.cancel()
        reading.cancel()
        await #expect(throws: CurlError.self) { try await sending.value }
        await #expect(throws: CurlError.self) { try await reading.value }
        try await eventually("both have hung up") { hungUp.load(ordering: .relaxed) == 2 }
    }

    @Test("A stream that nobody holds any more is hung up")
    func droppedStream() async throws {
        let hungUp = Atomic<Bool>(false)
        let server = try ScriptedServer { _, connection in
            connection.head(200)
            while !connection.isClosed { connection.pause(milliseconds: 10) }
            hungUp.store(true, ordering: .relaxed)
        }
        let connections = try HTTPConnections()
        _ = try await connections.open(request(server))
        try await eventually("it hangs up") { hungUp.load(ordering: .relaxed) }
    }

    @Test("Times are limits: for the whole answer, and for a pause in it")
    func timeouts() async throws {
        let server = try ScriptedServer { _, connection in
            connection.head(200)
            while !connection.isClosed { connection.pause(milliseconds: 20) }
        }
        let connections = try HTTPConnections()
        let late = await #expect(throws: CurlError.self) {
            try await connections.send(request(server, timeout: .milliseconds(200)))
        }
        #expect(late?.isTimeout ?? false)
        let idle = await #expect(throws: CurlError.self) {
            let stream = try await connections.open(request(server, idle: .seconds(1)))
            _ = try await stream.nextLine()
        }
        #expect(idle?.isTimeout ?? false)
    }

    @Test("Nobody there is told as such; connections that are closed take no more requests")
    func failures() async throws {
        let server = try ScriptedServer { _, connection in connection.answer(200, "") }
        server.stop()
        let connections = try HTTPConnections()
        let error = await #expect(throws: CurlError.self) { try await connections.send(request(server)) }
        #expect(error?.isNotReachable ?? false, "\(String(describing: error))")
        #expect(error?.description.contains("127.0.0.1") ?? false)
    }

    @Test("A signed path is sent as it is, or not at all where a libcurl would change it")
    func signedPaths() async throws {
        let server = try ScriptedServer { request, connection in connection.answer(200, request.target) }
        let connections = try HTTPConnections()
        let signer = RequestSigner(region: "us-east-1", service: "s3", accessKey: Secret("a"), secretKey: Secret("b"))
        let paths = ["/bucket/~2e~2e/..a/...", "/bucket//x", "/bucket?list-type=2&prefix=..%2F.%2Fx"]
        for path in paths {
            var signed = request(server, path)
            signed.signer = signer
            let answer = try await connections.send(signed)
            #expect(String(decoding: answer.body, as: UTF8.self) == path)
        }
        for path in ["/bucket/../x", "/bucket/.", "/bucket/%2e%2E/x", "/bucket/.%2e?x", "/./bucket"] {
            var signed = request(server, path)
            signed.signer = signer
            let error = await #expect(throws: CurlError.self) { try await connections.send(signed) }
            #expect(error?.code == .badFunctionArgument, "\(path)")
            // Unsigned, it is the server's to say.
            let answer = try await connections.send(request(server, path))
            #expect(String(decoding: answer.body, as: UTF8.self) == path)
        }
        #expect(server.requests.count { $0.headers["authorization"] != nil } == paths.count)
    }

    @Test("A header cannot be smuggled in")
    func smuggling() async throws {
        let server = try ScriptedServer { _, connection in connection.answer(200, "") }
        var bad = request(server)
        bad.headers = [("X", "a\r\nY: b")]
        let connections = try HTTPConnections()
        await #expect(throws: CurlError.self) { try await connections.send(bad) }
        #expect(server.requests.isEmpty)
    }
}
