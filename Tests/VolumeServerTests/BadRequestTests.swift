import Curl
import TestSupport
import Testing
import VolumeAPI

@Suite("Requests that must be refused")
struct BadRequestTests {
    @Test("Every bad request is refused with its code and names what is wrong, and no service hears of it")
    func refuses() async throws {
        #expect(BadRequest.all.count >= 150)
        try await Fixture.with { fixture in
            for request in BadRequest.all {
                let answer = try await fixture.post(request.path, request.body)
                let error = ConnectError(httpStatus: answer.status, body: answer.body)
                #expect(error.code.rawValue == request.code, "\(request): \(error)")
                #expect(answer.status == error.code.httpStatus, "\(request)")
                for word in request.words {
                    #expect(error.message.contains(word), "\(request) should say '\(word)': \(error.message)")
                }
                #expect(!error.message.contains("TOP-SECRET"), "\(request): \(error.message)")
            }
            #expect(fixture.controller.calls.isEmpty)
            #expect(fixture.node.calls.isEmpty)
            #expect(!fixture.lines.all.contains { $0.contains("TOP-SECRET") })
        }
    }

    @Test("Truncated at any byte, a request is refused and no service hears of it")
    func refusesTruncated() async throws {
        let body = Array(BadRequest.body("Controller/CreateVolume").utf8)
        try await Fixture.with { fixture in
            for count in 0..<body.count {
                let answer = try await fixture.http.post(
                    unixSocket: fixture.socketPath,
                    path: "/csi.v1.Controller/CreateVolume",
                    headers: [("Content-Type", "application/json")],
                    body: Array(body[..<count]),
                    timeout: .seconds(10)
                )
                #expect(answer.status == 400, "after \(count) bytes")
            }
            #expect(fixture.controller.calls.isEmpty)
        }
    }

    struct Exchange: Sendable, CustomTestStringConvertible {
        var method = "POST"
        var path = "/csi.v1.Controller/CreateVolume"
        var headers: [(name: String, value: String)] = [("Content-Type", "application/json")]
        var status: Int
        var words: String
        var answerHeader: (name: String, value: String)?

        var testDescription: String { "\(method) \(path) \(headers)" }
    }

    static func type(_ value: String) -> Exchange {
        Exchange(
            headers: [("Content-Type", value)],
            status: 415,
            words: "application/json",
            answerHeader: ("accept-post", "application/json")
        )
    }

    static func header(_ name: String, _ value: String, _ status: Int, _ words: String) -> Exchange {
        Exchange(headers: [("Content-Type", "application/json"), (name, value)], status: status, words: words)
    }

    static let exchanges: [Exchange] =
        ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"].map {
            Exchange(method: $0, status: 405, words: $0 == "HEAD" ? "" : "POST", answerHeader: ("allow", "POST"))
        }
        + [
            "/", "/csi.v1.Controller", "/csi.v1.Controller/", "/csi.v1.Controller/createVolume",
            "/csi.v1.Controller/CreateVolume/", "//csi.v1.Controller/CreateVolume", "/csi.v0.Controller/CreateVolume",
            "/csi.v1.GroupController/CreateVolumeGroupSnapshot", "/csi.v1.Controller/%43reateVolume",
            "/csi.v1.Controller/../csi.v1.Node/NodeStageVolume", "/metrics/", "/healthz/x",
        ].map { Exchange(path: $0, status: 404, words: #""code":"unimplemented""#) }
        + [
            Exchange(headers: [], status: 415, words: "application/json"),
            type("text/plain"), type("application/proto"), type("application/connect+json"), type("application/jsonx"),
            type("application/json; charset=latin1"), type("application/json;"), type("application/grpc"),
            type("application/json, application/json"), type("multipart/form-data; boundary=x"),
            header("Connect-Protocol-Version", "2", 400, "Connect-Protocol-Version"),
            header("Connect-Protocol-Version", "", 400, "Connect-Protocol-Version"),
            header("Connect-Protocol-Version", "1.0", 400, "Connect-Protocol-Version"),
            header("Connect-Timeout-Ms", "", 400, "Connect-Timeout-Ms"),
            header("Connect-Timeout-Ms", "-1", 400, "Connect-Timeout-Ms"),
            header("Connect-Timeout-Ms", "1.5", 400, "Connect-Timeout-Ms"),
            header("Connect-Timeout-Ms", "1s", 400, "Connect-Timeout-Ms"),
            header("Connect-Timeout-Ms", "12345678901", 400, "1 to 10 digits"),
            header("Connect-Timeout-Ms", "+5", 400, "Connect-Timeout-Ms"),
            header("Connect-Timeout-Ms", "٣", 400, "Connect-Timeout-Ms"),
            header("Content-Encoding", "gzip", 501, "Content-Encoding"),
            header("Content-Encoding", "identity, gzip", 501, "Content-Encoding"),
            header("Content-Encoding", "br", 501, "uncompressed"),
            Exchange(method: "POST", path: "/metrics", status: 405, words: "GET", answerHeader: ("allow", "GET")),
            Exchange(method: "DELETE", path: "/healthz", status: 405, words: "GET", answerHeader: ("allow", "GET")),
        ]

    @Test("Methods, paths and headers that Connect does not know are refused as it says")
    func refusesByHTTP() async throws {
        try await Fixture.with { fixture in
            let body = Array(BadRequest.body("Controller/CreateVolume").utf8)
            for exchange in Self.exchanges {
                let answer = try await fixture.http.send(
                    HTTPRequest(
                        exchange.method,
                        unixSocket: fixture.socketPath,
                        path: exchange.path,
                        headers: exchange.headers,
                        body: exchange.method == "HEAD" ? nil : body,
                        timeout: .seconds(10)
                    )
                )
                let text = String(decoding: answer.body, as: UTF8.self)
                #expect(answer.status == exchange.status, "\(exchange.testDescription): \(text)")
                #expect(exchange.words.isEmpty || text.contains(exchange.words), "\(exchange.testDescription): \(text)")
                if let (name, value) = exchange.answerHeader {
                    #expect(answer.header(name) == value, "\(exchange.testDescription)")
                }
            }
            #expect(fixture.controller.calls.isEmpty)
        }
    }

    @Test("Headers that Connect allows are taken")
    func takesHeaders() async throws {
        try await Fixture.with { fixture in
            let allowed: [[(name: String, value: String)]] = [
                [("Content-Type", "application/json; charset=utf-8")],
                [("Content-Type", "Application/JSON;charset=\"UTF-8\"")],
                [("content-type", "application/json"), ("Connect-Protocol-Version", "1")],
                [("Content-Type", "application/json"), ("Connect-Timeout-Ms", "9999999999")],
                [("Content-Type", "application/json"), ("Content-Encoding", "identity")],
                [("Content-Type", "application/json"), ("Accept-Encoding", "gzip"), ("X-Anything", "1")],
            ]
            for headers in allowed {
                let answer = try await fixture.post("/csi.v1.Identity/Probe?a=b", "{}", headers: headers)
                #expect(answer.status == 200, "\(headers)")
                #expect(answer.header("content-type") == "application/json")
            }
        }
    }
}
