internal import CCurl
internal import Synchronization

/// The lines of an answer between libcurl's thread, which fills it, and one task, which empties it.
///
/// While whole lines of `limitBytes` or more wait, libcurl pauses the transfer, and so the server. A lock protects its
/// state, so it is Sendable although `Answer` is not.
final class LineBuffer: Answer, @unchecked Sendable {
    /// The longest line taken, in bytes; an object of the API server has at most 3 MiB.
    static let longestLineBytes = 32 << 20

    private struct State {
        var bytes: [UInt8] = []
        /// Bytes before this one have been read.
        var start = 0
        /// There is no line end between `start` and this byte.
        var scanned = 0
        /// How many line ends wait, counted when they arrive, so that a long line is not searched again with each of
        /// its pieces.
        var lineEnds = 0
        var head: (status: Int, headers: [(name: String, value: String)]) = (0, [])
        var hasHead = false
        var isPaused = false
        var isTooLong = false
        var outcome: Result<HTTPResponse, CurlError>?
        var headWaiter: CheckedContinuation<Void, Never>?
        var lineWaiter: CheckedContinuation<Void, Never>?

        var waiting: Int { bytes.count - start }

        /// Takes out the first line, if a whole one is there.
        mutating func takeLine() -> [UInt8]? {
            guard lineEnds > 0, let end = bytes[scanned...].firstIndex(of: UInt8(ascii: "\n")) else {
                scanned = bytes.count
                return nil
            }
            lineEnds -= 1
            let line = Array(bytes[start..<end])
            start = end + 1
            scanned = start
            if start == bytes.count {
                bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20)
                (start, scanned) = (0, 0)
            } else if start > 1 << 16, start > bytes.count / 2 {
                bytes.removeFirst(start)
                (start, scanned) = (0, 0)
            }
            return line
        }
    }

    private let limitBytes: Int
    private let state = Mutex(State())
    private let drained = Mutex<(@Sendable () -> Void)?>(nil)

    init(limitBytes: Int) {
        self.limitBytes = limitBytes
    }

    /// Says who is told when there is room again.
    func onDrained(_ body: @escaping @Sendable () -> Void) {
        drained.withLock { $0 = body }
    }

    var head: (status: Int, headers: [(name: String, value: String)]) { state.withLock { $0.head } }

    override func appendHeader(_ bytes: UnsafeRawBufferPointer) {
        super.appendHeader(bytes)
        guard reader.isComplete else { return }
        let head = (status: reader.status, headers: reader.headers)
        state.withLock { state in
            state.head = head
            state.hasHead = true
            return state.headWaiter.take()
        }?.resume()
    }

    override func appendBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        let (result, waiter) = state.withLock { state -> (Int, CheckedContinuation<Void, Never>?) in
            // A line that is longer than the limit must still be received completely.
            if state.waiting >= limitBytes, state.lineEnds > 0 {
                state.isPaused = true
                return (nacre_curl_write_pause, nil)
            }
            guard state.waiting + bytes.count <= limitBytes + Self.longestLineBytes else {
                state.isTooLong = true
                return (0, nil)
            }
            state.bytes.append(contentsOf: bytes)
            state.lineEnds += bytes.count { $0 == UInt8(ascii: "\n") }
            return (bytes.count, state.lineWaiter.take())
        }
        waiter?.resume()
        return result
    }

    override func fault(_ subject: String) -> CurlError? {
        guard state.withLock({ $0.isTooLong }) else { return nil }
        return CurlError(.writeError, subject, "a line is longer than \(Self.longestLineBytes) bytes")
    }

    /// The transfer is over.
    func end(_ outcome: Result<HTTPResponse, CurlError>) {
        let waiters = state.withLock { state in
            if case .success(let response) = outcome, !state.hasHead {
                state.head = (response.status, response.headers)
            }
            state.outcome = outcome
            return [state.headWaiter.take(), state.lineWaiter.take()]
        }
        drained.withLock { $0 = nil }
        for waiter in waiters { waiter?.resume() }
    }

    /// Waits for the head; returns an error if there is none.
    func waitForHead() async -> CurlError? {
        await wait {
            $0.hasHead
        } park: {
            $0.headWaiter = $1
        }
        let (hasHead, outcome) = state.withLock { ($0.hasHead, $0.outcome) }
        guard !hasHead, case .failure(let error) = outcome else { return nil }
        return error
    }

    /// The next line without its end; `nil` after the last.
    func next() async -> Result<[UInt8]?, CurlError> {
        while true {
            let (line, wasPaused, outcome) = state.withLock { state in
                let line = state.takeLine()
                // At half of the limit, so that not every line costs a message to the loop.
                let mayResume = state.isPaused && (line == nil || state.waiting <= limitBytes / 2)
                if mayResume { state.isPaused = false }
                return (line, mayResume, state.outcome)
            }
            if wasPaused { drained.withLock { $0 }?() }
            if let line { return .success(line) }
            switch outcome {
            case .some(.failure(let error)): return .failure(error)
            case .some(.success): return .success(rest())
            case .none:
                await wait {
                    $0.scanned < $0.bytes.count
                } park: {
                    $0.lineWaiter = $1
                }
            }
        }
    }

    /// The text after the last line end; returned once.
    private func rest() -> [UInt8]? {
        state.withLock { state in
            guard state.waiting > 0 else { return nil }
            defer { (state.bytes, state.start, state.scanned) = ([], 0, 0) }
            return Array(state.bytes[state.start...])
        }
    }

    /// Waits until `isReady`, or until the end.
    private func wait(
        until isReady: @Sendable (borrowing State) -> Bool,
        park: @Sendable (inout State, CheckedContinuation<Void, Never>) -> Void
    ) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if isReady(state) || state.outcome != nil { return true }
                park(&state, continuation)
                return false
            }
            if isReady { continuation.resume() }
        }
    }
}
