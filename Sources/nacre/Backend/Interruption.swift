import Glibc
import UnixSignals

/// The message when a person or a shell interrupts a command during a change.
///
/// Ends the process by the same signal, so that its parent sees it.
enum Interruption {
    private static let signals: [UnixSignal] = [.sigint, .sigterm, .sighup]

    /// Runs `body`; a signal meanwhile prints `words` and ends the process.
    static func explained<R>(_ words: String, _ body: () async throws -> R) async throws -> R {
        let arrivals = await UnixSignalsSequence(trapping: signals)
        let listener = Task {
            for await signal in arrivals {
                Terminal.say("\nnacre: \(words)\n")
                end(by: signal)
            }
        }
        defer {
            listener.cancel()
            for signal in signals { reset(signal) }
        }
        return try await body()
    }

    private static func reset(_ signal: UnixSignal) {
        Glibc.signal(signal.rawValue, SIG_DFL)
    }

    private static func end(by signal: UnixSignal) {
        reset(signal)
        kill(getpid(), signal.rawValue)
    }
}
