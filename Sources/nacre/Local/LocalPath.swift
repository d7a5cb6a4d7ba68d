import ArgumentParser
import ExactText
import FoundationEssentials
import LinuxKernel

/// A path on this machine, made absolute.
struct LocalPath: ExpressibleByArgument, Sendable {
    /// The path as the services want it: absolute, symbolic links of its parents followed.
    let absolute: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        let path =
            argument.startsExactly(with: "/") ? argument : FileManager.default.currentDirectoryPath + "/" + argument
        // A parent that is not there is made by the service.
        absolute = (try? KernelFile.canonical(path)) ?? path
    }

    static var defaultCompletionKind: CompletionKind { .directory }

    /// Refuses to hide what lies at the path, for the path itself is removed when the volume is unmounted.
    func checkMountable() throws {
        switch try FileKind.of(absolute) {
        case nil: return
        case .directory?:
            guard try MountTable.current().mount(at: absolute) == nil else {
                throw CommandFailure(.failed, "'\(absolute)' has something else mounted; name another path")
            }
            guard try KernelFile.names(in: absolute).isEmpty else {
                throw CommandFailure(.failed, "directory '\(absolute)' is not empty; name an empty one, or none yet")
            }
        default:
            throw CommandFailure(.failed, "'\(absolute)' is no directory; name an empty one, or none yet")
        }
    }
}
