import Glibc
import LinuxKernel

/// What a long-lived process that holds keys does first.
enum ProcessHardening {
    /// Applies it all: no core dumps and no peeking, for keys are in memory; and little memory.
    static func apply() {
        // A kernel that refuses it leaves us as safe as any other process; no reason not to serve.
        try? ProcessControl.forbidDumps()
        ProcessControl.limitMallocArenas(to: 8)
        // A peer that hangs up is an error of one write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
    }
}
