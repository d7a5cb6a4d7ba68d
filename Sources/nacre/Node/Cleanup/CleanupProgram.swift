import ExactText
import JSON
import KubernetesAPI
import Subprocess
import SystemPackage
import UnixSignals

/// nacre-disk as it is run for a cleanup.
struct CleanupProgram {
    /// Its path.
    let path: String

    /// How it ended.
    struct Outcome: Sendable {
        /// Its exit code; 128 and the signal's number where a signal ended it.
        let status: Int32
        /// What it printed.
        let report: JSONValue?
        /// What it said of errors.
        let errors: [String]
    }

    /// What it says of the progress of one disk.
    struct Moment: Sendable, Hashable {
        let path: String
        let phase: String
        /// Bytes.
        let done: Int64
        /// Bytes.
        let total: Int64
        let secondsLeft: Int64?
    }

    /// Its largest answer: a plan for some hundreds of disks.
    private static let longestAnswer = 64 << 20

    /// Runs it to its end; what it says goes to standard error, and a wish to stop goes to it.
    ///
    /// - Parameters:
    ///   - words: Its arguments.
    ///   - hear: Told of the progress.
    /// - Returns: How it ended.
    /// - Throws: `CommandFailure` when it cannot be run.
    func run(_ words: [String], hear: (Moment) -> Void) async throws(CommandFailure) -> Outcome {
        let signals = await UnixSignalsSequence(trapping: [.sigint, .sigterm, .sighup])
        do {
            let result = try await Subprocess.run(
                .path(.init(path)),
                arguments: Arguments(words),
                input: .none,
                output: .string(limit: Self.longestAnswer),
                error: .sequence
            ) { execution in
                let passing = Task {
                    // It stops after the present chunk, and the next one goes on.
                    for await _ in signals { try? execution.send(signal: .terminate) }
                }
                defer { passing.cancel() }
                var errors: [String] = []
                for try await line in execution.standardError.strings() {
                    if let moment = Self.moment(line) {
                        hear(moment)
                        continue
                    }
                    Terminal.say(line + "\n")
                    if let error = line.behind("nacre-disk: ") { errors.append(error) }
                }
                return errors
            }
            let status: Int32 =
                switch result.terminationStatus {
                case .exited(let code): code
                case .signaled(let signal): 128 + signal
                }
            let report = try? JSONValue(parsing: Array(result.standardOutput.utf8))
            return Outcome(status: status, report: report, errors: result.closureResult)
        } catch {
            throw CommandFailure(
                .failed,
                "cannot run '\(path)' (\(error)); nothing was written by it. Nacre's image has it; name it by --program"
            )
        }
    }

    /// Why it did not end well.
    ///
    /// - Parameters:
    ///   - outcome: How it ended.
    ///   - advice: What to do.
    /// - Returns: The failure of the command.
    func failure(_ outcome: Outcome, _ advice: String) -> CommandFailure {
        // 130: it was asked to stop.
        let status: ExitStatus = outcome.status == 64 ? .usage : outcome.status > 128 ? .tryAgain : .failed
        let reasons = outcome.errors.isEmpty ? "" : ": \(outcome.errors.joined(separator: "; "))"
        return CommandFailure(status, "nacre-disk teardown ended with exit code \(outcome.status)\(reasons); \(advice)")
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
