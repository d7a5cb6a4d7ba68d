import JSON
import Synchronization
import TestSupport
import Testing

@testable import KubernetesAPI

@Suite("Events")
struct EventRecorderTests {
    private let claim: ObjectReference

    init() throws {
        let metadata: JSONValue = ["name": "data-0", "namespace": "shop", "uid": "u1", "resourceVersion": "7"]
        claim = ObjectReference(kind: "PersistentVolumeClaim", try #require(ObjectMeta(["metadata": metadata])))
    }

    /// Runs a recorder on a server that takes so long for an answer; returns the requests' bodies, in order.
    private func run(
        milliseconds: UInt32,
        _ body: (EventRecorder, ScriptedServer) async throws -> Void
    ) async throws -> [String] {
        let server = try ScriptedServer { _, connection in
            connection.pause(milliseconds: milliseconds)
            connection.answer(201, "{}")
        }
        let recorder = EventRecorder(try scriptedClient(server), component: "test", instance: "pod-1")
        let running = Task { await recorder.run() }
        defer { running.cancel() }
        try await body(recorder, server)
        return server.requests.map(\.body)
    }

    @Test("A slow server is told that all is well now and then, and of trouble at once")
    func lanes() async throws {
        let bodies = try await run(milliseconds: 150) { recorder, server in
            for number in 0..<8 { recorder.record(.normal, "Provisioned", "well \(number)", on: claim) }
            try await eventually("the first events arrive") { !server.requests.isEmpty }
            for number in 0..<2 { recorder.record(.warning, "ProvisioningFailed", "trouble \(number)", on: claim) }
            try await eventually("all events arrive", within: .seconds(60)) { server.requests.count == 10 }
        }
        // Two senders have sent one each, or two when this machine is very slow.
        let last = try #require(bodies.lastIndex { $0.contains("trouble") })
        #expect(bodies[...last].count { $0.contains("well") } <= 4, "\(bodies)")
        for number in 0..<8 { #expect(bodies.count { $0.contains("well \(number)") } == 1) }
    }

    @Test("The same again is counted up, and another message is another event")
    func again() async throws {
        let bodies = try await run(milliseconds: 0) { recorder, server in
            recorder.record(.warning, "ProvisioningFailed", "no pool", on: claim)
            // What is counted up must be known: the first one's answer may be on its way.
            try await eventually("the event is counted up") {
                recorder.record(.warning, "ProvisioningFailed", "no pool", on: claim)
                return server.requests.contains { $0.method == "PATCH" }
            }
            recorder.record(.warning, "ProvisioningFailed", "no key", on: claim)
            try await eventually("the other event arrives") {
                server.requests.contains { $0.method == "POST" && $0.body.contains("no key") }
            }
            let first = try #require(server.requests.first)
            #expect(first.method == "POST" && first.target == "/api/v1/namespaces/shop/events")
        }
        #expect(bodies[0].contains(#""involvedObject""#) && bodies[0].contains("no pool"))
        #expect(bodies.contains { $0.contains(#""count":2"#) && !$0.contains("message") }, "\(bodies)")
    }

    @Test("An object has 25 events, and then a rest")
    func budget() async throws {
        let bodies = try await run(milliseconds: 0) { recorder, server in
            for number in 0..<40 { recorder.record(.warning, "ProvisioningFailed", "trouble \(number)", on: claim) }
            #expect(recorder.dropped == 15)
            try await eventually("the events arrive") { server.requests.count == 25 }
        }
        #expect(bodies.count == 25)
    }

    @Test("What was refused, and what still waited at the end, is counted as not sent")
    func lost() async throws {
        let server = try ScriptedServer { request, connection in
            // Of trouble, nothing is answered at all.
            while request.body.contains("trouble"), !connection.isClosed { connection.pause(milliseconds: 20) }
            connection.answer(403, #"{"kind":"Status","code":403,"reason":"Forbidden","message":"no"}"#)
        }
        let recorder = EventRecorder(try scriptedClient(server), component: "test", instance: "pod-1")
        let running = Task { await recorder.run() }
        for number in 0..<3 { recorder.record(.normal, "Provisioned", "well \(number)", on: claim) }
        try await eventually("the refused are counted") { recorder.dropped == 3 }
        for number in 0..<5 { recorder.record(.warning, "ProvisioningFailed", "trouble \(number)", on: claim) }
        try await eventually("one waits for its answer") { server.requests.contains { $0.body.contains("trouble") } }
        #expect(recorder.dropped == 3)
        running.cancel()
        await running.value
        #expect(recorder.dropped == 8)
    }
}
