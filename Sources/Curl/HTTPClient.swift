public import Blocking

/// HTTP/1.1 over UNIX sockets, by libcurl; one connection for each request.
///
/// It ignores proxies, redirects and the environment.
public struct HTTPClient: Sendable {
    /// The longest answer taken, in bytes.
    public static let longestAnswerBytes = 64 << 20

    private let pool: BlockingPool

    /// Makes a client whose asynchronous calls wait on threads of `pool`.
    public init(pool: BlockingPool) {
        self.pool = pool
    }

    /// Sends a request and waits for its answer, whatever its status.
    public func send(_ request: HTTPRequest) async throws(CurlError) -> HTTPResponse {
        try await pool.run { () throws(CurlError) in try Self.send(request) }
    }

    /// Sends a `POST`; see ``send(_:)``.
    public func post(
        unixSocket: String,
        path: String,
        headers: [(name: String, value: String)],
        body: [UInt8],
        timeout: Duration
    ) async throws(CurlError) -> HTTPResponse {
        try await send(
            HTTPRequest(
                "POST",
                unixSocket: unixSocket,
                path: path,
                headers: headers,
                body: body,
                timeout: timeout
            )
        )
    }

    /// Sends a request on this thread and waits for its answer, whatever its status.
    ///
    /// Implements `curl_easy_perform`.
    public static func send(_ request: HTTPRequest) throws(CurlError) -> HTTPResponse {
        try Transfer(request).perform()
    }
}
