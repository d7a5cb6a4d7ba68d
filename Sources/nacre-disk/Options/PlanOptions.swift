internal import ArgumentParser
internal import CommandNames

/// The first half of the habit of agreement: what would be done is shown, and nothing is done.
struct PlanOptions: ParsableArguments {
    @Flag(name: [.customLong("plan"), .customLong("dry-run")], help: "Show what would be done, and stop.")
    var isPlan = false
}

extension Agreement {
    /// Shows what would be done and has a person agree to it; ends the program without it.
    ///
    /// - Parameters:
    ///   - plan: What would be done, a line each.
    ///   - mismatch: Why an answer is not what had to be typed; nothing when it is.
    /// - Throws: The exit code of what was refused.
    func ask(_ plan: [String], mismatch: (String) -> String?) throws {
        guard Console.isInteractive else {
            Console.error(unasked)
            throw ExitStatus.refused
        }
        let typed = Console.ask(question(plan)) ?? ""
        guard let why = mismatch(typed) else { return }
        Console.error(denied(why))
        throw ExitStatus.refused
    }
}
