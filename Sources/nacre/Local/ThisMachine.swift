import Glibc
import LinuxKernel

/// What this machine is called, and what time it is here.
enum ThisMachine {
    /// The host's name, which is a node's usual name, too.
    static var name: String {
        KernelFile.firstLine("/proc/sys/kernel/hostname").flatMap { $0.isEmpty ? nil : $0 } ?? "localhost"
    }

    /// Seconds since 1970.
    static var now: Int64 { Int64(time(nil)) }
}
