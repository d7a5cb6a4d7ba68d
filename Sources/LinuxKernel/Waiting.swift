internal import Glibc
internal import SystemPackage

/// Looks again and again, within a limit.
public enum Waiting {
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
