import Glibc
import Volumes

/// A running command: its backend, its time limit, and its progress output.
struct Session: Sendable {
    let backend: any VolumeBackend
    let budget: TimeBudget
    let isDirect: Bool
    let isQuiet: Bool
    let format: OutputFormat
    let terminal = Terminal()
    let wording = Wording()

    /// For what the cluster does.
    init(_ connection: ConnectionOptions, _ output: OutputOptions) async throws {
        let budget = TimeBudget(connection.ceph.timeout.duration)
        self.init(
            try await connection.direct
                ? DirectServices.controller(connection.ceph) : SocketBackend(path: connection.socket, budget),
            budget,
            output
        )
    }

    /// For what this machine does too.
    init(_ connection: ConnectionOptions, _ local: LocalOptions, _ output: OutputOptions) async throws {
        let budget = TimeBudget(connection.ceph.timeout.duration)
        self.init(
            try await connection.direct
                ? DirectServices.node(connection, local, budget) : SocketBackend(path: connection.socket, budget),
            budget,
            output
        )
    }

    /// For a backend that is there.
    init(_ backend: any VolumeBackend, _ ceph: CephOptions, _ output: OutputOptions) {
        self.init(backend, TimeBudget(ceph.timeout.duration), output)
    }

    private init(_ backend: any VolumeBackend, _ budget: TimeBudget, _ output: OutputOptions) {
        self.backend = backend
        self.budget = budget
        isDirect = backend is DirectBackend
        isQuiet = output.quiet
        format = output.output
    }

    /// Makes a change as `during` does; an interruption prints what continues.
    ///
    /// - Parameters:
    ///   - title: Such as `creating volume 'x'`.
    ///   - hint: How to see the result, such as `see nacre volume show x`.
    ///   - body: The calls.
    /// - Returns: What the calls return.
    /// - Throws: What they throw, worded as in `during`.
    func changing<R: Sendable>(
        _ title: String,
        _ hint: String,
        _ body: (ContinuousClock.Instant) async throws -> R
    ) async throws -> R {
        let whatGoesOn =
            isDirect
            ? "it stopped where it was, for no service does the work; the same command again goes on from there"
            : "the service goes on with it; the same command again waits for its end"
        guard .now < budget.deadline else {
            throw CommandFailure(
                .tryAgain,
                "\(title) was not begun, for what came before took the \(budget.limit.seconds) of --timeout; repeat the command, "
                    + "or raise --timeout"
            )
        }
        return try await Interruption.changing(title, "\(whatGoesOn); \(hint)") {
            try await during(title, body)
        }
    }

    /// Runs calls until the command's deadline and shows progress if they take long; `title` is such as `creating volume 'x'`.
    func during<R: Sendable>(
        _ title: String,
        step: (@Sendable () -> String?)? = nil,
        _ body: (ContinuousClock.Instant) async throws -> R
    ) async throws -> R {
        let backend = backend
        let line = ProgressLine(isQuiet: isQuiet, columns: terminal.errorColumns)
        return try await line.during(title, step: step ?? { backend.step }) {
            do {
                return try await body(budget.deadline)
            } catch let error as VolumeError where error.code == .deadlineExceeded && isDirect {
                // The service continues after a deadline and says so; this process ends, and its work with it.
                let step = backend.step ?? "waiting"
                throw CommandFailure(
                    .tryAgain,
                    "\(title) took longer than \(budget.limit.seconds): \(backend.silence ?? "\(step); look at the cluster"), "
                        + "then repeat the command or raise --timeout"
                )
            } catch let error as VolumeError {
                // Of a cluster that nobody was told of, nothing can be missing.
                if error.code == .notFound, let lack = await backend.lackOfClusters() { throw lack }
                throw VolumeError(error.code, wording.applied(to: error.message))
            }
        }
    }

    /// Prints a result: as a table, or in the requested format.
    func show(_ value: some Encodable, lines: [String]) throws {
        if let text = try format.text(value) {
            print(text)
        } else {
            lines.forEach { print($0) }
        }
    }

    /// Says why volumes may be missing from what is shown, however quiet the command is to be.
    func noteConfigurationFaults() async {
        for fault in await backend.configurationFaults() { warn("not looked at: \(fault)") }
    }

    /// Tells a person something beside the result.
    func note(_ text: String) {
        guard !isQuiet else { return }
        warn(text)
    }

    /// Tells a person what the result must not be read without.
    func warn(_ text: String) {
        // Earlier output is written first, even if both go to the same place.
        fflush(nil)
        Terminal.say("nacre: \(text)\n")
    }
}
