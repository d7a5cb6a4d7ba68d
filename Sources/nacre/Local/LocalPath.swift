import ArgumentParser
import ExactText
import FoundationEssentials
import LinuxKernel

/// A path on this machine, made absolute.
struct LocalPath: ExpressibleByArgument, Sendable {
    /// The path in the services' form: absolute, with symbolic links of its parents resolved.
    let absolute: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        let path =
            argument.startsExactly(with: "/") ? argument : FileManager.default.currentDirectoryPath + "/" + argument
        // The service creates a missing parent.
        absolute = (try? KernelFile.canonical(path)) ?? path
    }

    static var defaultCompletionKind: CompletionKind { .directory }

    /// Refuses a path with content, because the path is removed when the volume is unmounted.
    func checkMountable() throws {
        guard !absolute.parts(at: "/").containsExactly("..") else {
            throw CommandFailure(
                .usage,
                "'\(absolute)' has a part '..' behind a directory that is not there; drop both"
            )
        }
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
