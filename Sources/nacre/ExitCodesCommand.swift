import ArgumentParser

/// `nacre exit-codes`, and so `nacre help exit-codes`: what the numbers mean.
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
