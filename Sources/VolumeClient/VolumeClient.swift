package import Blocking
internal import Curl
internal import JSON
package import VolumeAPI

/// The typed client of the JSON service on a UNIX socket.
package struct VolumeClient: Sendable {
    /// The service's socket.
    package let socketPath: String

    private let http: HTTPClient

    /// Calls the service at `socketPath`, waiting on threads of `pool`.
    package init(socketPath: String, pool: BlockingPool) {
        self.socketPath = socketPath
        http = HTTPClient(pool: pool)
    }

    /// Makes a call.
    ///
    /// The server gets `timeout`, and the client waits for `grace` longer, so that the server's error arrives.
    ///
    /// - Throws: `ConnectError`: the server's, or `.unavailable` if it cannot be reached.
    package func call<Call: Method>(
        _ method: Call.Type,
        _ request: Call.Request,
        timeout: Duration = .seconds(60),
        grace: Duration = .seconds(10)
    ) async throws(ConnectError) -> Call.Response {
        let milliseconds = max(1, min(timeout / .milliseconds(1), 9_999_999_999))
        let answer: HTTPResponse
        do {
            answer = try await http.post(
                unixSocket: socketPath,
                path: method.path,
                headers: [
                    ("Content-Type", "application/json"),
                    ("Connect-Protocol-Version", "1"),
                    ("Connect-Timeout-Ms", String(Int(milliseconds))),
                ],
                body: request.json.bytes,
                timeout: timeout + grace
            )
        } catch {
            throw ConnectError(error.isTimeout ? .deadlineExceeded : .unavailable, error.description)
        }
        guard answer.status == 200 else { throw ConnectError(httpStatus: answer.status, body: answer.body) }
        do {
            return try Call.Response(json: JSONValue(parsing: answer.body))
        } catch {
            throw ConnectError(.internal, "the answer to \(method.path) cannot be read: \(error)")
        }
    }
}
