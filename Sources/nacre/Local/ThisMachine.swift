import Glibc
import LinuxKernel

/// This machine's name and time.
enum ThisMachine {
    /// The host name, which is usually the node's name.
    static var name: String {
        KernelFile.firstLine("/proc/sys/kernel/hostname").flatMap { $0.isEmpty ? nil : $0 } ?? "localhost"
    }

    /// Seconds since 1970.
    static var now: Int64 { Int64(time(nil)) }
}
