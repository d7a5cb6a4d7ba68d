import ArgumentParser

/// `nacre exit-codes`, also as `nacre help exit-codes`.
struct ExitCodesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exit-codes",
        abstract: "Say what the exit codes mean.",
        discussion: ExitStatus.table
    )

    func run() {
        print(ExitStatus.table)
    }
}
