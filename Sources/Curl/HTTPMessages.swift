internal import ExactText
public import Secrets

/// An HTTP request.
public struct HTTPRequest: Sendable {
    /// Where a request goes.
    public enum Target: Sendable {
        /// A UNIX socket by its path, at most 107 bytes; HTTP/1.1.
        case unixSocket(String)
        /// `https://10.96.0.1:443`: HTTP/2 where the server speaks it.
        case server(String, TLSIdentity)
    }

    /// `GET`, `POST`.
    public var method: String
    /// Where it goes.
    public var target: Target
    /// Path and query, percent-encoded: `/healthz`.
    public var path: String
    /// The headers, in order.
    public var headers: [(name: String, value: String)]
    /// What `Authorization: Bearer` carries, if anything.
    public var bearer: Secret?
    /// Who signs it, if anybody; only for servers.
    public var signer: RequestSigner?
    /// The body; `nil` for none at all.
    public var body: [UInt8]?
    /// From the start to the last byte of the answer.
    public var timeout: Duration
    /// How long the answer may pause, in whole seconds; `nil` for no limit but `timeout`.
    public var idleTimeout: Duration?

    /// Puts a request together.
    public init(
        _ method: String = "GET",
        to target: Target,
        path: String,
        headers: [(name: String, value: String)] = [],
        bearer: Secret? = nil,
        signer: RequestSigner? = nil,
        body: [UInt8]? = nil,
        timeout: Duration = .seconds(60),
        idleTimeout: Duration? = nil
    ) {
        self.method = method
        self.target = target
        self.path = path
        self.headers = headers
        self.bearer = bearer
        self.signer = signer
        self.body = body
        self.timeout = timeout
        self.idleTimeout = idleTimeout
    }

    /// Puts a request to a UNIX socket together.
    public init(
        _ method: String = "GET",
        unixSocket: String,
        path: String,
        headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil,
        timeout: Duration = .seconds(60)
    ) {
        self.init(method, to: .unixSocket(unixSocket), path: path, headers: headers, body: body, timeout: timeout)
    }

    /// Whether a step of the path is `.` or `..`, also in the form `%2e`, which a libcurl may leave out.
    var hasDotSteps: Bool {
        path.utf8.prefix { $0 != UInt8(ascii: "?") }.split(separator: UInt8(ascii: "/")).contains { step in
            let dots = Substring(step).lowercased().replacing("%2e", with: ".")
            return dots.isExactly(".") || dots.isExactly("..")
        }
    }

    /// Where it goes, for messages; without the query, which may be confidential.
    var subject: String {
        switch target {
        case .unixSocket(let socket): "unix:\(socket) \(path)"
        case .server(let server, _): "\(server)\(path.prefix { $0 != "?" })"
        }
    }
}

/// The keys of a user of S3, and what a signature of version 4 is valid for.
public struct RequestSigner: Sendable {
    /// The region: `us-east-1`.
    public var region: String
    /// The service: `s3`.
    public var service: String
    /// The public half of the keys.
    public var accessKey: Secret
    /// The secret half.
    public var secretKey: Secret

    /// Names a signer.
    public init(region: String, service: String, accessKey: Secret, secretKey: Secret) {
        self.region = region
        self.service = service
        self.accessKey = accessKey
        self.secretKey = secretKey
    }
}

/// The trusted authorities and the client's identity, as PEM in memory, so that no files are needed.
public struct TLSIdentity: Sendable {
    /// The certificate authorities that are trusted; `nil` for the system's.
    public var authorities: [UInt8]?
    /// Our certificate, if we have one.
    public var certificate: [UInt8]?
    /// Our certificate's key.
    public var key: Secret?
    /// The name that the server's certificate must have, when it is not the URL's.
    public var serverName: String?
    /// Whether the server must prove who it is.
    public var verifiesServer: Bool

    /// Puts an identity together.
    public init(
        authorities: [UInt8]? = nil,
        certificate: [UInt8]? = nil,
        key: Secret? = nil,
        serverName: String? = nil,
        verifiesServer: Bool = true
    ) {
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
        self.serverName = serverName
        self.verifiesServer = verifiesServer
    }
}

/// An HTTP answer.
public struct HTTPResponse: Sendable {
    /// The status: 200.
    public let status: Int
    /// The headers, in order, names in lower case.
    public let headers: [(name: String, value: String)]
    /// The body.
    public let body: [UInt8]

    /// The value of the first header of that name, in lower case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value
    }
}
