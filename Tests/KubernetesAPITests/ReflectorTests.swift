import Foundation
import JSON
import Synchronization
import TestSupport
import Testing

@testable import KubernetesAPI

/// A client of a scripted server.
func scriptedClient(_ server: ScriptedServer, tokenPath: String? = nil) throws -> KubernetesClient {
    let identity = ClusterIdentity(
        server: server.url,
        namespace: nil,
        fixed: ClusterIdentity.Parts(),
        tokenPath: tokenPath
    )
    return try KubernetesClient(identity, userAgent: "test/1")
}

@Suite("List and watch")
struct ReflectorTests {
    /// What a reflector said, in order.
    private final class Log: Sendable {
        let lines = Mutex<[String]>([])

        func record(_ change: Change<StorageClass>) {
            let line =
                switch change {
                case .present(let object): "+\(object.metadata.name)@\(object.metadata.resourceVersion)"
                case .gone(let object): "-\(object.metadata.name)"
                }
            lines.withLock { $0.append(line) }
        }

        var all: [String] { lines.withLock(\.self) }
    }

    private static func object(_ name: String, _ version: Int, uid: String? = nil) -> String {
        #"{"metadata":{"name":"\#(name)","uid":"\#(uid ?? "u-" + name)","resourceVersion":"\#(version)"}}"#
    }

    private static func list(_ objects: [String], _ version: Int, token: String = "") -> String {
        #"{"metadata":{"resourceVersion":"\#(version)","continue":"\#(token)"},"items":["#
            + objects.joined(separator: ",") + "]}"
    }

    private static func event(_ type: String, _ object: String) -> String {
        #"{"type":"\#(type)","object":\#(object)}"# + "\n"
    }

    /// Runs a reflector on a script until `condition` holds.
    private func run(
        pageSize: Int = 500,
        script: @escaping ScriptedServer.Script,
        until condition: (Log, ScriptedServer) -> Bool
    ) async throws -> (log: [String], reflector: Reflector<StorageClass>, requests: [String]) {
        let server = try ScriptedServer(script)
        let log = Log()
        let reflector = Reflector<StorageClass>(
            try scriptedClient(server),
            "/things",
            pageSize: pageSize,
            cache: ObjectCache()
        ) { log.record($0) }
        let running = Task { await reflector.run() }
        try await eventually("the reflector gets there; \(log.all)") { condition(log, server) }
        running.cancel()
        await running.value
        return (log.all, reflector, server.requests.map(\.target))
    }

    @Test("A list in pages is followed by a watch from its version")
    func pages() async throws {
        let (log, reflector, requests) = try await run(pageSize: 2) { request, connection in
            if request.target.contains("watch=1") {
                connection.head(200)
                connection.send(Self.event("ADDED", Self.object("d", 11)))
                connection.send(Self.event("MODIFIED", Self.object("a", 12)))
                connection.send(Self.event("DELETED", Self.object("b", 13)))
                connection.pause(milliseconds: 5000)
            } else if request.target.contains("continue=next%2F1") {
                connection.answer(200, Self.list([Self.object("c", 3)], 10))
            } else {
                connection.answer(200, Self.list([Self.object("a", 1), Self.object("b", 2)], 10, token: "next/1"))
            }
        } until: { log, _ in
            log.all.count == 6
        }
        #expect(log == ["+a@1", "+b@2", "+c@3", "+d@11", "+a@12", "-b"])
        #expect(reflector.cache.count == 3)
        #expect(requests[0] == "/things?limit=2")
        #expect(requests[2].contains("resourceVersion=10&"))
        #expect(reflector.counts.lists == 1)
    }

    @Test("A watch that ends, or is cut within a line, goes on from the last version; bookmarks count")
    func resume() async throws {
        let round = Atomic<Int>(0)
        let (log, reflector, requests) = try await run { request, connection in
            guard request.target.contains("watch=1") else {
                connection.answer(200, Self.list([], 10))
                return
            }
            connection.head(200)
            switch round.add(1, ordering: .relaxed).newValue {
            case 1:
                connection.send(Self.event("ADDED", Self.object("a", 11)))
                connection.send(#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"20"}}}"# + "\n")
                connection.pause(milliseconds: 1200)
            case 2:
                connection.send(Self.event("ADDED", Self.object("b", 21)))
                connection.send(#"{"type":"ADDED","object":{"meta"#)
            case 3:
                connection.send(Self.event("ADDED", Self.object("c", 22)))
                connection.pause(milliseconds: 5000)
            default:
                connection.pause(milliseconds: 5000)
            }
        } until: { log, _ in
            log.all.contains("+c@22")
        }
        #expect(log == ["+a@11", "+b@21", "+c@22"])
        let watches = requests.filter { $0.contains("watch=1") }
        #expect(watches[1].contains("resourceVersion=20&"))
        #expect(reflector.counts.lists == 1)
    }

    @Test("What went while nobody watched is told as gone, and a namesake as new", arguments: [true, false])
    func expired(asEvent: Bool) async throws {
        let lists = Atomic<Int>(0)
        let watches = Atomic<Int>(0)
        let gone = #"{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version: 1 (303)"}"#
        let (log, reflector, _) = try await run { request, connection in
            if request.target.contains("watch=1") {
                guard watches.add(1, ordering: .relaxed).newValue == 1 else {
                    connection.head(200)
                    connection.pause(milliseconds: 5000)
                    return
                }
                if asEvent {
                    connection.head(200)
                    connection.send(Self.event("ERROR", gone))
                } else {
                    connection.answer(410, gone)
                }
            } else if lists.add(1, ordering: .relaxed).newValue == 1 {
                connection.answer(200, Self.list([Self.object("a", 1), Self.object("b", 2)], 10))
            } else {
                connection.answer(200, Self.list([Self.object("b", 5, uid: "other"), Self.object("c", 6)], 20))
            }
        } until: { log, _ in
            log.all.contains("-a")
        }
        #expect(log == ["+a@1", "+b@2", "-b", "+b@5", "+c@6", "-a"])
        #expect(reflector.counts.lists == 2)
    }

    /// What our parser refuses: a map with one name twice.
    private static func unreadable(_ name: String, _ version: Int) -> String {
        #"{"metadata":{"name":"\#(name)","uid":"u-\#(name)","resourceVersion":"\#(version)"},"#
            + #""parameters":{"a":"1","a":"2"}}"#
    }

    @Test(
        "An object that cannot be read is passed over in a list, the others are there; one that was known is not gone"
    )
    func unreadableInList() async throws {
        let lists = Atomic<Int>(0)
        let (log, reflector, _) = try await run { request, connection in
            guard request.target.contains("watch=1") else {
                if lists.add(1, ordering: .relaxed).newValue == 1 {
                    connection.answer(200, Self.list([Self.object("a", 1), Self.object("b", 2)], 10))
                } else {
                    let objects = [Self.unreadable("a", 3), #"{"metadata":{"name":"x"}}"#, Self.object("c", 4)]
                    connection.answer(200, Self.list(objects, 20))
                }
                return
            }
            if request.target.contains("resourceVersion=10&") {
                connection.answer(410, #"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#)
            } else {
                connection.head(200)
                connection.pause(milliseconds: 5000)
            }
        } until: { log, _ in
            log.all.contains("-b")
        }
        #expect(log == ["+a@1", "+b@2", "+c@4", "-b"])
        #expect(Set(reflector.cache.keys) == ["a", "c"])
        #expect(reflector.cache.isSynced)
        #expect(reflector.counts.unreadable == 2 && !reflector.isComplete)
    }

    @Test(
        "An event that cannot be read does not end the watch; the next one starts with a list, to see what became of it"
    )
    func unreadableInWatch() async throws {
        let watches = Atomic<Int>(0)
        let lists = Atomic<Int>(0)
        let (log, reflector, requests) = try await run { request, connection in
            guard request.target.contains("watch=1") else {
                let isFirst = lists.add(1, ordering: .relaxed).newValue == 1
                connection.answer(200, Self.list([Self.object("a", 1)] + (isFirst ? [Self.object("b", 2)] : []), 10))
                return
            }
            connection.head(200)
            guard watches.add(1, ordering: .relaxed).newValue == 1 else {
                connection.pause(milliseconds: 5000)
                return
            }
            connection.send(Self.event("DELETED", Self.unreadable("b", 11)))
            connection.send(Self.event("ADDED", #"{"metadata":{"name":"x","resourceVersion":"12"}}"#))
            connection.send("{]\n")
            connection.send(Self.event("ADDED", Self.object("c", 13)))
            connection.pause(milliseconds: 1200)
        } until: { log, _ in
            log.all.contains("-b")
        }
        // The second list lacks what the watch told of: the server's word counts.
        #expect(log == ["+a@1", "+b@2", "+c@13", "-b", "-c"] || log == ["+a@1", "+b@2", "+c@13", "-c", "-b"])
        #expect(reflector.counts.unreadable == 3)
        #expect(reflector.counts.failures == 0 && reflector.counts.lists == 2, "\(requests)")
        #expect(reflector.isComplete)
    }

    @Test("A page's token that has run out makes a list without pages")
    func expiredPage() async throws {
        let (log, _, requests) = try await run(pageSize: 1) { request, connection in
            if request.target.contains("watch=1") {
                connection.head(200)
                connection.pause(milliseconds: 5000)
            } else if request.target.contains("continue=") {
                connection.answer(410, #"{"kind":"Status","code":410,"reason":"Expired","message":"token too old"}"#)
            } else if request.target.contains("limit=") {
                connection.answer(200, Self.list([Self.object("a", 1)], 10, token: "t"))
            } else {
                connection.answer(200, Self.list([Self.object("a", 1), Self.object("b", 2)], 11))
            }
        } until: { log, _ in
            log.all.count == 2
        }
        #expect(log == ["+a@1", "+b@2"])
        #expect(requests[2] == "/things")
    }
}

@Suite("Calls of the API server")
struct ClientTests {
    @Test("What the server puts off is tried again after the time that it names")
    func retryAfter() async throws {
        let tries = Atomic<Int>(0)
        let server = try ScriptedServer { _, connection in
            switch tries.add(1, ordering: .relaxed).newValue {
            case 1: connection.answer(429, "slow down", ["Retry-After": "0"])
            case 2: connection.answer(503, "", ["Retry-After": "1"])
            default: connection.answer(200, #"{"ok":true}"#)
            }
        }
        let client = try scriptedClient(server)
        let start = ContinuousClock.now
        let answer = try await client.call(.get("/x"))
        #expect(answer["ok"]?.bool == true)
        #expect(ContinuousClock.now - start >= .seconds(1))
        #expect(client.counts.putOff == 2)
    }

    @Test("A server that wants more patience than a call has is told to the caller")
    func tooLong() async throws {
        let server = try ScriptedServer { _, connection in connection.answer(429, "", ["Retry-After": "9999"]) }
        let client = try scriptedClient(server)
        let error = await #expect(throws: KubernetesError.self) { try await client.call(.get("/x")) }
        #expect(error?.status?.code == 429)
        #expect(server.requests.count == 1)
    }

    @Test("A page that is no Status is told by its first line; a lost answer is not definite")
    func strangeAnswers() async throws {
        let server = try ScriptedServer { request, connection in
            if request.target == "/lost" { return }
            connection.answer(500, "<html>\n<b>proxy broke</b>")
        }
        let client = try scriptedClient(server)
        let page = await #expect(throws: KubernetesError.self) { try await client.call(.get("/x")) }
        #expect(page?.description == "cannot get /x: HTTP status 500: <html>")
        let lost = await #expect(throws: KubernetesError.self) { try await client.call(.get("/lost")) }
        #expect(lost?.isDefinite == false)
    }

    @Test("A token that the server no longer knows is read again, once")
    func rotatedToken() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "old".write(toFile: path, atomically: true, encoding: .utf8)
        let server = try ScriptedServer { request, connection in
            if request.headers["authorization"] == "Bearer new" {
                connection.answer(200, #"{"ok":true}"#)
            } else {
                connection.answer(401, #"{"kind":"Status","code":401,"reason":"Unauthorized","message":"no"}"#)
            }
        }
        let client = try scriptedClient(server, tokenPath: path)
        let error = await #expect(throws: KubernetesError.self) { try await client.call(.get("/x")) }
        #expect(error?.status?.isUnauthorized ?? false)
        #expect(server.requests.count == 1)
        try "new\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await client.call(.get("/x"))["ok"]?.bool == true)
    }

    @Test("Without a permit nothing is written, and what was begun ends with it")
    func permit() async throws {
        let server = try ScriptedServer { _, connection in
            connection.pause(milliseconds: 10000)
            connection.answer(200, "{}")
        }
        // From when it is asked for: a busy machine may take long to ask.
        let permitted = Mutex<Duration?>(nil)
        let identity = ClusterIdentity(server: server.url, namespace: nil, fixed: ClusterIdentity.Parts())
        let client = try KubernetesClient(identity, userAgent: "t") {
            permitted.withLock(\.self).map { .now + $0 }
        }
        await #expect(throws: KubernetesError.self) { try await client.call(.create("/x", [:])) }
        permitted.withLock { $0 = .seconds(-1) }
        await #expect(throws: KubernetesError.self) { try await client.call(.create("/x", [:])) }
        #expect(server.requests.isEmpty)
        permitted.withLock { $0 = .seconds(3) }
        // The server's answer, which comes later, would be a success.
        await #expect(throws: KubernetesError.self) { try await client.call(.create("/x", [:])) }
        #expect(server.requests.count == 1)
    }
}
