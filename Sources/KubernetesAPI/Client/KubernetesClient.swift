internal import Curl
package import JSON
internal import Secrets
internal import Synchronization

/// Calls of the API server.
///
/// Honours `Retry-After`; reads and writes that the server put off are repeated here, everything else is the caller's to
/// judge. A 401 makes the token be read again, once.
package final class KubernetesClient: Sendable {
    /// Tells until when writes are allowed; nothing when they are not.
    package typealias WritePermit = @Sendable () -> ContinuousClock.Instant?

    /// What has been asked of the server since the start.
    package struct Counts: Sendable, Hashable {
        /// GETs, lists and watches.
        package var reads = 0
        /// POSTs, PUTs, PATCHes and DELETEs.
        package var writes = 0
        /// Answers 429 and 5xx that were tried again.
        package var putOff = 0
        /// Writes refused because somebody else had written the object since it was read; they changed nothing.
        package var conflicts = 0
    }

    let identity: ClusterIdentity
    private let connections: HTTPConnections
    private let userAgent: String
    private let permit: WritePermit?
    private let warnings: ServerWarnings?
    private let counters = Mutex(Counts())

    /// How often a request that the server puts off is repeated.
    private static let mostTries = 10
    /// The longest `Retry-After` that a request sits out; a longer one is the caller's to wait for.
    private static let longestWait = Duration.seconds(30)

    /// Makes a client with connections of its own.
    ///
    /// - Parameters:
    ///   - identity: Where the server is and who we are.
    ///   - userAgent: `nacre/0.1.0`.
    ///   - warnings: Who is told what the server warns of.
    ///   - permit: Asked before every write; without one all are allowed.
    /// - Throws: `KubernetesError` when libcurl does not start.
    package init(
        _ identity: ClusterIdentity,
        userAgent: String,
        warnings: ServerWarnings? = nil,
        permit: WritePermit? = nil
    ) throws(KubernetesError) {
        self.identity = identity
        self.userAgent = userAgent
        self.permit = permit
        self.warnings = warnings
        do throws(CurlError) {
            connections = try HTTPConnections()
        } catch {
            throw .unreachable(call: "start libcurl", reason: error.reason, wasSent: false)
        }
    }

    /// What has been asked since the start.
    package var counts: Counts { counters.withLock(\.self) }

    /// Makes a call and returns the object in the answer.
    package func call(_ call: APICall) async throws(KubernetesError) -> JSONValue {
        let body = try await answer(to: call)
        do throws(JSONError) {
            return body.isEmpty ? [:] : try JSONValue(parsing: body)
        } catch {
            throw .malformed(call: call.phrase, reason: "\(error)")
        }
    }

    /// Makes a call and returns the list in the answer, and what of its `items` cannot be read.
    package func list(
        _ call: APICall
    ) async throws(KubernetesError) -> (list: JSONValue, unreadable: [UnreadableElement]) {
        let body = try await answer(to: call)
        do throws(JSONError) {
            let (list, unreadable) = try JSONValue.list(parsing: body, elementsOf: "items")
            return (list, unreadable)
        } catch {
            throw .malformed(call: call.phrase, reason: "\(error)")
        }
    }

    /// Makes a call and returns the body of the answer.
    private func answer(to call: APICall) async throws(KubernetesError) -> [UInt8] {
        var backoff = Backoff(first: .milliseconds(200), longest: .seconds(5), jitter: 0.5)
        var hasReread = false
        while true {
            let answer = try await send(call)
            if (200..<300).contains(answer.status) { return answer.body }
            let status = Self.status(of: answer)
            if call.isWrite, status.isConflict { counters.withLock { $0.conflicts += 1 } }
            if status.isUnauthorized, !hasReread {
                hasReread = true
                if identity.reread() { continue }
            }
            guard answer.status == 429 || (answer.status == 503 && status.retryAfter != nil),
                backoff.count < Self.mostTries, status.retryAfter ?? .zero <= Self.longestWait
            else { throw .refused(call: call.phrase, status) }
            counters.withLock { $0.putOff += 1 }
            let wait = max(backoff.next(), status.retryAfter ?? .zero)
            do {
                try await Task.sleep(for: wait)
            } catch {
                throw .canceled
            }
        }
    }

    /// Starts a watch; the events follow one in a line.
    func open(_ call: APICall, idleTimeout: Duration) async throws(KubernetesError) -> HTTPStream {
        var request = request(call)
        request.idleTimeout = idleTimeout
        counters.withLock { $0.reads += 1 }
        let stream: HTTPStream
        do throws(CurlError) {
            stream = try await connections.open(request)
        } catch {
            throw Self.failure(call, error)
        }
        warnings?.take(stream.headers, of: call.phrase)
        guard stream.status != 200 else { return stream }
        var body: [UInt8] = []
        while let line = try? await stream.nextLine(), body.count < 1 << 20 { body += line }
        let status = Self.status(of: stream.status, body: body, retryAfter: stream.header("retry-after"))
        if status.isUnauthorized { _ = identity.reread() }
        throw .refused(call: call.phrase, status)
    }

    private func send(_ call: APICall) async throws(KubernetesError) -> HTTPResponse {
        var request = request(call)
        if call.isWrite, let permit {
            guard let until = permit(), .now < until else { throw .notLeading(call: call.phrase) }
            // A process that was frozen must not send on what it had queued when it still led.
            request.timeout = min(request.timeout, until - .now)
        }
        counters.withLock { counts in
            if call.isWrite { counts.writes += 1 } else { counts.reads += 1 }
        }
        do throws(CurlError) {
            let answer = try await connections.send(request)
            warnings?.take(answer.headers, of: call.phrase)
            return answer
        } catch {
            throw Self.failure(call, error)
        }
    }

    private func request(_ call: APICall) -> HTTPRequest {
        var headers = [("User-Agent", userAgent), ("Accept", "application/json")]
        if call.body != nil { headers.append(("Content-Type", call.contentType)) }
        return HTTPRequest(
            call.method.rawValue,
            to: identity.target,
            path: call.path + call.queryText,
            headers: headers.map { (name: $0.0, value: $0.1) },
            bearer: identity.token,
            body: call.body?.bytes,
            timeout: call.timeout
        )
    }

    private static func failure(_ call: APICall, _ error: CurlError) -> KubernetesError {
        if error.isCanceled { return .canceled }
        return .unreachable(
            call: call.phrase,
            reason: "\(error)",
            wasSent: !(error.isNotReachable || error.code == .failedInit || error.code == .badFunctionArgument)
        )
    }

    private static func status(of answer: HTTPResponse) -> Status {
        status(of: answer.status, body: answer.body, retryAfter: answer.header("retry-after"))
    }

    private static func status(of code: Int, body: [UInt8], retryAfter: String?) -> Status {
        var status: Status
        if let object = try? JSONValue(parsing: body), object["kind"]?.string == "Status" {
            status = Status(object)
            if status.code == 0 { status.code = code }
        } else {
            // A proxy's page, or plain text: its first line is better than nothing.
            let line = String(decoding: body.prefix(200), as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
            status = Status(code: code, reason: "", message: line.isEmpty ? "" : "HTTP status \(code): \(line)")
        }
        if let seconds = retryAfter.flatMap({ Int64($0) }) { status.retryAfter = .seconds(max(0, min(seconds, 3600))) }
        return status
    }
}
