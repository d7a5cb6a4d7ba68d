internal import Glibc
internal import SystemPackage

/// Looks again and again, within a limit.
public enum Waiting {
    /// Asks until the answer is yes; pauses between two questions, 1 ms at first and 50 ms at most.
    ///
    /// Blocks.
    ///
    /// - Parameters:
    ///   - limit: How long to ask.
    ///   - call: The system call that is waited for, for the error.
    ///   - subject: What it is about, for the error.
    ///   - done: The question.
    /// - Throws: What `done` throws; `KernelError` of `EBUSY` when the limit is over.
    public static func wait(
        _ limit: Duration,
        _ call: String,
        _ subject: String,
        until done: () throws(KernelError) -> Bool
    ) throws(KernelError) {
        let deadline = ContinuousClock.now + limit
        var pause: UInt32 = 1000
        while try !done() {
            guard .now < deadline else { throw KernelError(call, .resourceBusy, subject) }
            usleep(pause)
            pause = min(pause * 2, 50_000)
        }
    }
}
