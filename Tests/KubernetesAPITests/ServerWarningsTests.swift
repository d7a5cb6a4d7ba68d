import Synchronization
import TestSupport
import Testing

@testable import KubernetesAPI

@Suite("Warnings of the API server")
struct ServerWarningsTests {
    @Test(
        "The texts of a header are read as RFC 7234 has them",
        arguments: [
            (#"299 - "v1 Endpoints is deprecated""#, ["v1 Endpoints is deprecated"]),
            (#"299 - "one", 299 - "two""#, ["one", "two"]), (#"299 - "a \"b\" \\ c, d""#, [#"a "b" \ c, d"#]),
            (#"299 - "dated" "Wed, 21 Oct 2015 07:28:00 GMT", 299 - "next""#, ["dated", "next"]),
            (#"299 kube "agent""#, ["agent"]), (#"110 - "Response is Stale""#, []), (#"299 - """#, []), ("", []),
            ("299 - nothing quoted", []), (#"299 - "not closed"#, ["not closed"]),
            ("299 - \"a\u{1}b\"", ["a b"]),
        ] as [(String, [String])]
    )
    func parses(header: String, texts: [String]) {
        #expect(ServerWarnings.texts(in: header) == texts)
    }

    @Test("Each warning is told once, with the call that it came with, of answers and of watches alike")
    func tellsOnce() async throws {
        let server = try ScriptedServer { request, connection in
            connection.answer(
                request.method == "DELETE" ? 404 : 200,
                "{}",
                ["Warning": #"299 - "known to all", 299 - "of \#(request.target)""#]
            )
        }
        let told = Mutex<[String]>([])
        let client = try KubernetesClient(
            ClusterIdentity(server: server.url, namespace: nil, fixed: ClusterIdentity.Parts()),
            userAgent: "t",
            warnings: ServerWarnings { warning, call in told.withLock { $0.append("\(call): \(warning)") } }
        )
        for path in ["/a", "/a", "/b"] { _ = try await client.call(.get(path)) }
        await #expect(throws: KubernetesError.self) { try await client.call(.delete("/c", uid: "u")) }
        _ = try await client.open(.get("/w"), idleTimeout: .seconds(10))
        #expect(
            told.withLock(\.self) == [
                "get /a: known to all", "get /a: of /a", "get /b: of /b", "delete /c: of /c", "get /w: of /w",
            ]
        )
    }
}
