internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore

/// A request's body, or why there is none.
enum ReceivedBody: Sendable {
    /// All of it.
    case complete([UInt8])
    /// Longer than allowed; `drained` if the client sent the rest and the connection can be used further.
    case tooLarge(drained: Bool)
    /// Not here in time, or less than was announced.
    case incomplete

    /// Reads a request's body, within limits of size and time.
    ///
    /// - Throws: What the connection throws if it breaks.
    static func read(_ request: Request, largestBytes: Int, timeout: Duration) async throws -> ReceivedBody {
        let body = request.body
        let announced = request.headers[.contentLength].flatMap { Int($0) }
        // Of so long a body nothing is read, so that the refusal does not wait for it.
        if let announced, announced > largestBytes * patience { return .tooLarge(drained: false) }
        return try await withThrowingTaskGroup(of: ReceivedBody?.self) { group in
            group.addTask { try await collect(body, largestBytes: largestBytes, announced: announced) }
            group.addTask {
                try await Task.sleep(for: timeout)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next().flatMap { $0 } ?? .incomplete
        }
    }

    /// How many times the limit is read of a body that is too long.
    ///
    /// A client may not read a refusal before it has sent everything.
    private static let patience = 8

    private static func collect(
        _ body: RequestBody,
        largestBytes: Int,
        announced: Int?
    ) async throws -> ReceivedBody {
        var bytes: [UInt8] = []
        var count = 0
        for try await buffer in body {
            count += buffer.readableBytes
            guard count <= largestBytes else {
                bytes = []
                guard count <= largestBytes * patience else { return .tooLarge(drained: false) }
                continue
            }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        guard count <= largestBytes else { return .tooLarge(drained: true) }
        guard announced == nil || announced == count else { return .incomplete }
        return .complete(bytes)
    }
}
