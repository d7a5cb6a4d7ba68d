/// An HTTP request over a UNIX socket.
public struct HTTPRequest: Sendable {
    /// `GET`, `POST`.
    public var method: String
    /// The socket's path, at most 107 bytes.
    public var unixSocket: String
    /// Path and query, percent-encoded: `/healthz`.
    public var path: String
    /// The headers, in order.
    public var headers: [(name: String, value: String)]
    /// The body; nothing for none at all.
    public var body: [UInt8]?
    /// From the start to the last byte of the answer.
    public var timeout: Duration

    /// Puts a request together.
    public init(
        _ method: String = "GET",
        unixSocket: String,
        path: String,
        headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil,
        timeout: Duration = .seconds(60)
    ) {
        self.method = method
        self.unixSocket = unixSocket
        self.path = path
        self.headers = headers
        self.body = body
        self.timeout = timeout
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
