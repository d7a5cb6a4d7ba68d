internal import ArgumentParser

/// What the program's end tells scripts: sysexits(3), as nacre's does.
enum ExitStatus {
    /// It failed, or something is left.
    static let failed = ExitCode(1)
    /// There is no such device.
    static let noDevice = ExitCode(66)
    /// The kernel lacks what it needs.
    static let unavailable = ExitCode(69)
    /// It was refused: nothing was written.
    static let refused = ExitCode(77)
    /// Somebody interrupted it.
    static let interrupted = ExitCode(130)

    /// All of them, for help.
    static let table = [
        (0, "done, or already so"),
        (1, "failed, or something is left, or what was checked or looked at is not as it should be"),
        (64, "wrong usage (EX_USAGE)"),
        (66, "there is no such device or mapping (EX_NOINPUT)"),
        (69, "the kernel has no device mapper (EX_UNAVAILABLE)"),
        (77, "refused, not agreed to, or not allowed: nothing was written (EX_NOPERM)"),
        (130, "interrupted; the same again finishes what was begun"),
    ]
    .map { "  \($0.0)\(String(repeating: " ", count: 5 - "\($0.0)".count))\($0.1)" }.joined(separator: "\n")
}

/// `nacre-disk exit-codes`: what the numbers mean, as `nacre exit-codes` says it of nacre's.
struct ExitCodesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exit-codes",
        abstract: "Say what the exit codes mean.",
        discussion: ExitStatus.table
    )

    func run() { Console.result(ExitStatus.table) }
}
