/// Requests that share connections: one thread owns libcurl's multi handle and performs them all.
///
/// HTTP/2 streams of one server share one connection. Cancelling the waiting task aborts the transfer.
public final class HTTPConnections: Sendable {
    private let loop: TransferLoop

    /// Starts the thread.
    ///
    /// Throws `.failedInit` when libcurl or the thread does not start.
    public init() throws(CurlError) {
        loop = try TransferLoop()
    }

    deinit {
        loop.post(.stop)
    }

    /// Sends a request and waits for its answer, whatever its status.
    ///
    /// Throws `.abortedByCallback` when the task is cancelled.
    public func send(_ request: HTTPRequest) async throws(CurlError) -> HTTPResponse {
        let transfer = SharedTransfer(request, receiver: WholeAnswer())
        let outcome: Result<HTTPResponse, CurlError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                transfer.onEnd { continuation.resume(returning: $0) }
                loop.post(.start(transfer))
            }
        } onCancel: {
            loop.post(.cancel(transfer))
        }
        return try outcome.get()
    }

    /// Sends a request and returns as soon as the head of its answer is here; the body follows line by line.
    ///
    /// - Parameters:
    ///   - request: `timeout` limits the whole answer, `idleTimeout` the time between two bytes.
    ///   - bufferBytes: If this many bytes wait to be read, the transfer is paused.
    /// - Returns: The answer's head and its lines to come.
    /// - Throws: `CurlError`; `.abortedByCallback` when the task is cancelled.
    public func open(
        _ request: HTTPRequest,
        bufferBytes: Int = 1 << 20
    ) async throws(CurlError) -> HTTPStream {
        let lines = LineBuffer(limitBytes: bufferBytes)
        let transfer = SharedTransfer(request, receiver: lines)
        let stream = HTTPStream(transfer, lines, loop, of: self)
        lines.onDrained { [loop] in loop.post(.resume(transfer)) }
        transfer.onEnd { lines.end($0) }
        loop.post(.start(transfer))
        let failure = await withTaskCancellationHandler {
            await lines.waitForHead()
        } onCancel: {
            loop.post(.cancel(transfer))
        }
        if let failure { throw failure }
        return stream
    }
}

/// The lines of an answer that is still coming.
public final class HTTPStream: Sendable {
    private let transfer: SharedTransfer
    private let lines: LineBuffer
    private let loop: TransferLoop
    /// Open as long as anything is still coming.
    private let connections: HTTPConnections

    init(_ transfer: SharedTransfer, _ lines: LineBuffer, _ loop: TransferLoop, of connections: HTTPConnections) {
        self.transfer = transfer
        self.lines = lines
        self.loop = loop
        self.connections = connections
    }

    deinit {
        loop.post(.cancel(transfer))
    }

    /// The status: 200.
    public var status: Int { lines.head.status }

    /// The headers, in order, names in lower case.
    public var headers: [(name: String, value: String)] { lines.head.headers }

    /// The value of the first header of that name, in lower case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value
    }

    /// The next line without its end; `nil` after the last.
    ///
    /// One caller at a time. Throws `.abortedByCallback` when the task is cancelled.
    public func nextLine() async throws(CurlError) -> [UInt8]? {
        let line = await withTaskCancellationHandler {
            await lines.next()
        } onCancel: {
            loop.post(.cancel(transfer))
        }
        return try line.get()
    }
}
