import Volumes

/// Shows on standard error what takes longer than two seconds: one updated line on a terminal, periodic lines
/// elsewhere.
struct ProgressLine: Sendable {
    let isQuiet: Bool
    let columns: Int?

    private static let patience = Duration.seconds(2)

    /// Runs `body`, and meanwhile shows `title` and the step from `step`.
    func during<R: Sendable>(
        _ title: String,
        step: @escaping @Sendable () -> String?,
        _ body: () async throws -> R
    ) async throws -> R {
        guard !isQuiet else { return try await body() }
        let teller = Task { await tell(title, step) }
        let outcome: Result<R, any Error>
        do {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        teller.cancel()
        await teller.value
        return try outcome.get()
    }

    private func tell(_ title: String, _ step: @Sendable () -> String?) async {
        let start = ContinuousClock.now
        try? await Task.sleep(for: Self.patience)
        guard !Task.isCancelled else { return }
        while !Task.isCancelled {
            let seconds = (ContinuousClock.now - start).components.seconds
            let line = "\(title), \(seconds) s" + (step().map { ": \($0)" } ?? "")
            Terminal.say(columns.map { "\r\u{1B}[K\(line.prefix($0 - 1))" } ?? line + "\n")
            try? await Task.sleep(for: columns == nil ? .seconds(5) : .seconds(1))
        }
        if columns != nil { Terminal.say("\r\u{1B}[K") }
    }
}
