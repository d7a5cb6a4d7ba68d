import ExactText
import FoundationEssentials
import LinuxKernel
import Timestamps

/// This machine's name and time, and what lies beside this program.
enum ThisMachine {
    /// The host name, which is usually the node's name; `localhost` where there is none.
    static var name: String { hostName ?? "localhost" }

    /// The host name; `nil` where there is none.
    static var hostName: String? {
        KernelFile.firstLine("/proc/sys/kernel/hostname").flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The path of another of our programs, in the directory of this one.
    static func program(_ name: String) -> String {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return "\((own ?? "/usr/bin/nacre").parts(at: "/").dropLast().joined(separator: "/"))/\(name)"
    }

    /// Seconds since 1970.
    static var now: Int64 { Duration.sinceEpoch.components.seconds }
}
