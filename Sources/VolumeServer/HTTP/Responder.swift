internal import Blocking
internal import ExactText
internal import HTTPTypes
internal import HummingbirdCore
internal import JSON
internal import Logging
internal import NIOCore
internal import OrderedCollections
internal import Secrets
internal import Synchronization
internal import VolumeAPI
internal import Volumes

/// Decodes a request, runs its handler and encodes the answer.
///
/// It checks in Connect's order: path, method, media type, headers, body, message. The first failure is reported.
final class Responder: Sendable {
    private let configuration: ServerConfiguration
    private let handlers: [String: Handler]
    private let health: @Sendable () async -> Health
    private let liveness: Liveness
    private let metrics: MetricsRegistry
    private let logger: Logger
    private let callsUnderWay = Atomic<Int>(0)
    private let inFlight: MetricsRegistry.Value
    /// The look at everything that is under way; who asks meanwhile gets its result.
    private let look = Mutex<Task<Health, Never>?>(nil)
    /// The metrics as they were written last, and when that began.
    private let written = Mutex<(since: ContinuousClock.Instant, text: String)?>(nil)
    let connections: Connections

    /// How long a client may take to read its answer.
    var writeLimit: TimeAmount { TimeAmount(configuration.writeTimeout) }

    init(
        configuration: ServerConfiguration,
        handlers: [Handler],
        health: @escaping @Sendable () async -> Health,
        liveness: Liveness,
        metrics: MetricsRegistry,
        logger: Logger
    ) {
        self.configuration = configuration
        connections = Connections(most: configuration.mostConnections)
        self.handlers = Dictionary(uniqueKeysWithValues: handlers.map { ($0.path, $0) })
        self.health = health
        self.liveness = liveness
        self.metrics = metrics
        self.logger = logger
        metrics.describe("nacre_requests_total", "Calls answered, by method and by Connect's code.")
        metrics.describe("nacre_request_duration_seconds", "Time from a call's body to its answer, by method.")
        metrics.describe("nacre_requests_in_flight", "Calls under way.")
        inFlight = metrics.gauge("nacre_requests_in_flight")
    }

    func respond(to request: Request, on channel: any Channel) async throws -> Response {
        let body = try await ReceivedBody.read(
            request,
            largestBytes: configuration.largestBodyBytes,
            timeout: configuration.readTimeout
        )
        let path = request.head.path.map { String($0.prefix { $0 != "?" }) } ?? ""
        let response = await connections.serving(channel) {
            switch path {
            case "/healthz": await healthz(request)
            case "/livez": livez(request)
            case "/metrics": metricsText(request, on: channel)
            default: await call(path, request, body)
            }
        }
        switch body {
        case .complete, .tooLarge(drained: true): return response
        case .incomplete, .tooLarge(drained: false): return response.closing(channel)
        }
    }

    private func call(_ path: String, _ request: Request, _ body: ReceivedBody) async -> Response {
        guard let handler = handlers[path] else {
            return .error(
                ConnectError(.unimplemented, "no such method; paths are /csi.v1.{Identity,Controller,Node}/METHOD"),
                status: .notFound
            )
        }
        guard request.method == .post else {
            return .plain("a call is a POST\n", status: .methodNotAllowed, headers: [.allow: "POST"])
        }
        guard CallHeaders.isJSON(request.headers[.contentType]) else {
            return .plain(
                "Content-Type must be application/json\n",
                status: .unsupportedMediaType,
                headers: [.acceptPost: "application/json"]
            )
        }
        let started = ContinuousClock.now
        inFlight.add(1)
        defer { inFlight.add(-1) }
        var subject: Subject?
        let outcome: Result<JSONValue, ConnectError>
        do throws(ConnectError) {
            outcome = .success(try await run(handler, request.headers, body, since: started, subject: &subject))
        } catch {
            outcome = .failure(error)
        }
        record(handler, subject, outcome, took: .now - started)
        switch outcome {
        case .success(let json): return .json(json, status: .ok)
        case .failure(let error): return .error(error, status: .init(code: error.code.httpStatus))
        }
    }

    private func run(
        _ handler: Handler,
        _ headers: HTTPFields,
        _ body: ReceivedBody,
        since started: ContinuousClock.Instant,
        subject: inout Subject?
    ) async throws(ConnectError) -> JSONValue {
        try CallHeaders.check(headers)
        let timeout = min(
            try CallHeaders.timeout(headers) ?? configuration.defaultTimeout,
            configuration.longestTimeout
        )
        let prepared = try prepare(handler, body)
        subject = prepared.subject
        let underWay = callsUnderWay.add(1, ordering: .relaxed).newValue
        defer { callsUnderWay.subtract(1, ordering: .relaxed) }
        guard underWay <= configuration.mostCalls else {
            throw ConnectError(
                .unavailable,
                "\(configuration.mostCalls) calls are under way, which is the limit; retry later"
            )
        }
        let deadline = started + timeout
        // The handler's own answer at the deadline is more precise, so a busy machine gets extra time for it.
        let outcome = await bounded(until: deadline + .seconds(4)) { () async -> Result<JSONValue, VolumeError> in
            do throws(VolumeError) {
                return .success(try await prepared.run(deadline))
            } catch {
                return .failure(error)
            }
        }
        switch outcome {
        case .success(let json): return json
        case .failure(let error): throw error.connect
        case nil:
            throw ConnectError(
                .deadlineExceeded,
                "\(handler.name) did not answer within \(timeout.seconds); it goes on, a retry joins it"
            )
        }
    }

    private func prepare(_ handler: Handler, _ body: ReceivedBody) throws(ConnectError) -> Handler.Prepared {
        switch body {
        case .tooLarge:
            throw ConnectError(
                .resourceExhausted,
                "the request's body is longer than \(configuration.largestBodyBytes) bytes"
            )
        case .incomplete:
            throw ConnectError(
                .deadlineExceeded,
                "the request's body was not complete within \(configuration.readTimeout.seconds)"
            )
        case .complete(let bytes):
            guard !bytes.isEmpty else {
                throw ConnectError(.invalidArgument, "the request's body is empty; an empty message is {}")
            }
            do {
                return try handler.prepare(JSONValue(parsing: bytes))
            } catch {
                throw ConnectError(.invalidArgument, "\(error)")
            }
        }
    }

    private func record(
        _ handler: Handler,
        _ subject: Subject?,
        _ outcome: Result<JSONValue, ConnectError>,
        took: Duration
    ) {
        var code = "ok"
        if case .failure(let error) = outcome { code = error.code.rawValue }
        metrics.counter("nacre_requests_total", [("method", handler.name), ("code", code)]).add(1)
        metrics.histogram("nacre_request_duration_seconds", [("method", handler.name)])
            .record(took / .seconds(1))
        var metadata: Logger.Metadata = [
            LogKey.method: "\(handler.name)",
            LogKey.code: "\(code)",
            LogKey.duration: "\(Int(took / .milliseconds(1)))",
        ]
        switch subject {
        case .volume(let handle): metadata[LogKey.volumeID] = "\(handle.printable)"
        case .snapshot(let handle): metadata[LogKey.snapshotID] = "\(handle.printable)"
        case .name(let name): metadata[LogKey.requestName] = "\(name.printable)"
        case nil: break
        }
        // A message about an invalid request may contain parts of its body.
        if case .failure(let error) = outcome, error.code != .invalidArgument {
            metadata[LogKey.message] = "\(error.message.printable)"
        }
        logger.info("call", metadata: metadata)
    }

    private func healthz(_ request: Request) async -> Response {
        guard request.method == .get else { return .onlyGet }
        let health =
            await bounded(until: .now + .seconds(5)) { await self.lookAtEverything() }
            ?? Health([Health.Part("healthz", isWell: false, message: "no answer within 5 s")])
        let parts: [JSONValue] = health.parts.map { part in
            .object([
                "name": .string(part.name), "ok": .bool(part.isWell), "message": .string(CephKey.masked(part.message)),
            ])
        }
        return .json(
            .object(["ok": .bool(health.isWell), "parts": .array(parts)]),
            status: health.isWell ? .ok : .serviceUnavailable
        )
    }

    /// One look at a time, however many ask.
    private func lookAtEverything() async -> Health {
        let task = look.withLock { look in
            if let look { return look }
            let task = Task {
                let found = await self.health()
                self.look.withLock { $0 = nil }
                return found
            }
            look = task
            return task
        }
        return await task.value
    }

    /// 200, or 503 with the loops that hang: for kubelet, which starts the process anew then.
    private func livez(_ request: Request) -> Response {
        guard request.method == .get else { return .onlyGet }
        let stalls = liveness.stalls
        guard !stalls.isEmpty else { return .plain("ok\n", status: .ok, headers: [:]) }
        let lines = stalls.map { "\($0.loop) did not go on for \($0.silence.seconds)\n" }.joined()
        logger.error("a loop hangs", metadata: [LogKey.message: "\(lines)"])
        return .plain(lines, status: .serviceUnavailable, headers: [:])
    }

    /// Written once for all requests that wait for it: many that come at once do not keep others out.
    private func metricsText(_ request: Request, on channel: any Channel) -> Response {
        guard request.method == .get else { return .onlyGet }
        let arrival = connections.arrival(on: channel)
        let text = written.withLock { written in
            if let written, arrival.map({ written.since >= $0 }) ?? true { return written.text }
            let since = ContinuousClock.now
            let text = metrics.text
            written = (since, text)
            return text
        }
        return .text(text, type: "text/plain; version=0.0.4; charset=utf-8")
    }
}
