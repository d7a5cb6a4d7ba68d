internal import ArgumentParser

/// What the program's end tells scripts.
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
}
