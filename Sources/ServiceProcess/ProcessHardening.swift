internal import Glibc
internal import LinuxKernel

/// The first step of a long-lived process that holds keys.
package enum ProcessHardening {
    /// Forbids core dumps and tracing, because keys are in memory, and limits malloc's arenas.
    package static func apply() {
        // If the kernel refuses it, the process runs without it.
        try? ProcessControl.forbidDumps()
        ProcessControl.limitMallocArenas(to: 8)
        // A closed connection must be an error of one write and not end the process.
        signal(SIGPIPE, SIG_IGN)
    }
}
