import Glibc
import Synchronization
import UnixSignals

/// The message when a person or a shell interrupts a command that changes something.
///
/// Ends the process by the same signal, so that its parent sees it.
enum Interruption {
    private static let signals: [UnixSignal] = [.sigint, .sigterm, .sighup]

    private struct State {
        /// What is said now is the last.
        var words: [String] = []
        /// The change that was begun last, once one was: `creating volume 'x'`.
        var begun: String?
    }

    private static let state = Mutex(State())

    /// Runs a whole command; a signal before its first change says that nothing was changed, and one after it which that was.
    ///
    /// - Parameters:
    ///   - deed: What was not done yet: `volume 'x' was created`.
    ///   - body: The command.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws.
    static func beforeAnything<R>(_ deed: String, _ body: () async throws -> R) async throws -> R {
        try await explained("before \(deed): nothing was made or changed; the same command again is safe", body)
    }

    /// Runs `body`, which changes something; a signal meanwhile prints `interrupted` and `words`, and ends the process.
    static func changing<R>(_ title: String, _ words: String, _ body: () async throws -> R) async throws -> R {
        state.withLock { $0.begun = title }
        return try await explained("while \(title): \(words)", body)
    }

    private static func explained<R>(_ words: String, _ body: () async throws -> R) async throws -> R {
        let isOutermost = state.withLock { state in
            state.words.append(words)
            return state.words.count == 1
        }
        defer { state.withLock { _ = $0.words.popLast() } }
        guard isOutermost else { return try await body() }
        let arrivals = await UnixSignalsSequence(trapping: signals)
        let listener = Task {
            for await signal in arrivals {
                Terminal.say("\nnacre: interrupted \(present)\n")
                end(by: signal)
            }
        }
        defer {
            listener.cancel()
            for signal in signals { reset(signal) }
        }
        return try await body()
    }

    private static var present: String {
        state.withLock { state in
            guard state.words.count == 1, let begun = state.begun else { return state.words.last ?? "" }
            return "after \(begun): what was done stays; the same command again goes on from there"
        }
    }

    private static func reset(_ signal: UnixSignal) {
        Glibc.signal(signal.rawValue, SIG_DFL)
    }

    private static func end(by signal: UnixSignal) {
        reset(signal)
        kill(getpid(), signal.rawValue)
    }
}
