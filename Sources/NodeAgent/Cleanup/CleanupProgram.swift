import ExactText
package import JSON
import KubernetesAPI
import Subprocess
import SystemPackage
import UnixSignals

/// nacre-disk as it is run for a cleanup.
package struct CleanupProgram: Sendable {
    private let path: String

    /// How it ended.
    package struct Outcome: Sendable {
        /// Its exit code; 128 and the signal's number where a signal ended it.
        package let status: Int32
        /// What it printed.
        package let report: JSONValue?
        /// What it said of errors.
        package let errors: [String]
    }

    /// What it says of the progress of one disk.
    package struct Moment: Sendable, Hashable {
        let path: String
        let phase: String
        /// Bytes.
        let done: Int64
        /// Bytes.
        let total: Int64
        let secondsLeft: Int64?
    }

    /// Takes the program at that path.
    package init(path: String) {
        self.path = path
    }

    /// Its largest answer: a plan for some hundreds of disks.
    private static let longestAnswer = 64 << 20

    /// Runs it to its end; a wish to stop goes to it.
    ///
    /// - Parameters:
    ///   - words: Its arguments.
    ///   - remedy: What to say where it had begun and its end was not seen.
    ///   - say: Given each line that it says, but for errors and progress.
    ///   - hear: Told of the progress.
    /// - Returns: How it ended.
    /// - Throws: `CleanupFailure` when it cannot be run, or its answer cannot be read.
    package func run(
        _ words: [String],
        ifLost remedy: String,
        say: (String) -> Void,
        hear: (Moment) -> Void
    ) async throws(CleanupFailure) -> Outcome {
        let signals = await UnixSignalsSequence(trapping: [.sigint, .sigterm, .sighup])
        var hasBegun = false
        var errors: [String] = []
        do {
            let result = try await Subprocess.run(
                .path(.init(path)),
                arguments: Arguments(words),
                input: .none,
                output: .string(limit: Self.longestAnswer),
                error: .sequence
            ) { execution in
                hasBegun = true
                let passing = Task {
                    // It stops after the present chunk, and the next one goes on.
                    for await _ in signals { try? execution.send(signal: .terminate) }
                }
                defer { passing.cancel() }
                // A line names all disks of a plan.
                for try await line in execution.standardError.strings(bufferingPolicy: .unbounded) {
                    if let moment = Self.moment(line) {
                        hear(moment)
                        continue
                    }
                    // The failure of this command says them, once.
                    if let error = line.behind("nacre-disk: ") {
                        errors.append(error)
                    } else {
                        say(line)
                    }
                }
            }
            let status: Int32 =
                switch result.terminationStatus {
                case .exited(let code): code
                case .signaled(let signal): 128 + signal
                }
            let report = try? JSONValue(parsing: Array(result.standardOutput.utf8))
            return Outcome(status: status, report: report, errors: errors)
        } catch {
            guard !hasBegun else {
                let said = errors.isEmpty ? "" : ": \(errors.joined(separator: "; "))"
                throw CleanupFailure(
                    .tryAgain,
                    "'\(path)' was running, and its answer cannot be read (\(error))\(said); \(remedy)"
                )
            }
            throw CleanupFailure(
                .failed,
                "cannot run '\(path)' (\(error)); nothing was written by it. Nacre's image has it; name it by --program"
            )
        }
    }

    /// Why it did not end well.
    ///
    /// - Parameters:
    ///   - outcome: How it ended.
    ///   - advice: What to do, unless it wrote nothing and says itself why.
    /// - Returns: The failure of the cleanup.
    package func failure(_ outcome: Outcome, _ advice: String) -> CleanupFailure {
        let cause: CleanupFailure.Cause =
            switch outcome.status {
            case 64: .usage
            case 66: .notFound
            case 77: .notPermitted
            // 130: it was asked to stop.
            case 129...: .tryAgain
            default: .failed
            }
        let reasons = outcome.errors.joined(separator: "; ")
        guard reasons.isEmpty || ![.usage, .notPermitted].contains(cause) else {
            return CleanupFailure(cause, reasons)
        }
        let words = "nacre-disk teardown ended with exit code \(outcome.status)\(reasons.isEmpty ? "" : ": \(reasons)")"
        return CleanupFailure(cause, "\(words); \(advice)")
    }

    /// A line of `--progress json`.
    private static func moment(_ line: String) -> Moment? {
        guard line.startsExactly(with: "{\"progress\":"),
            let fields = (try? JSONValue(parsing: Array(line.utf8)))?["progress"],
            let path = fields["path"]?.string, let phase = fields["phase"]?.string,
            let done = fields["done"]?.int64, let total = fields["total"]?.int64
        else { return nil }
        return Moment(path: path, phase: phase, done: done, total: total, secondsLeft: fields["secondsLeft"]?.int64)
    }
}
