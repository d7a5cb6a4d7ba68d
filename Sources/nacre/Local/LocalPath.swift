import ArgumentParser
import ExactText
import FoundationEssentials
import Glibc
import LinuxKernel

/// A path on this machine, made absolute.
struct LocalPath: ExpressibleByArgument, Sendable {
    /// The path in the services' form: absolute, with symbolic links of its parents resolved.
    let absolute: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        let path =
            argument.startsExactly(with: "/") ? argument : FileManager.default.currentDirectoryPath + "/" + argument
        // A part '.' says nothing; a '..' at the end is resolved with what is before it.
        let parts = path.parts(at: "/", omittingEmpty: true).filter { !$0.isExactly(".") }
        let plain = "/" + parts.joined(separator: "/")
        if parts.last?.isExactly("..") == true, let found = realpath(plain, nil) {
            defer { free(found) }
            absolute = String(cString: found)
        } else {
            // The service creates a missing parent.
            absolute = (try? KernelFile.canonical(plain)) ?? plain
        }
    }

    /// What makes a path one that no service mounts at, or takes back from; `nil` if nothing.
    static func fault(_ path: String) -> String? {
        let parts = path.parts(at: "/", omittingEmpty: true)
        if path.isOddlyWritten { return "holds control characters, or such as turn a line round" }
        if parts.isEmpty { return "is the root of this machine's file systems" }
        if path.utf8.count > 4095 || parts.contains(where: { $0.utf8.count > 255 }) {
            return "is too long for the kernel"
        }
        if parts.containsExactly("..") { return "has a part '..' behind a directory that is not there; drop both" }
        return nil
    }

    static var defaultCompletionKind: CompletionKind { .directory }

    /// Refuses a path with content, because the path is removed when the volume is unmounted.
    func checkMountable() throws {
        if let fault = Self.fault(absolute) {
            throw CommandFailure(.usage, "the path \(absolute.shellWord) \(fault); name another path")
        }
        do throws(KernelError) {
            _ = try KernelFile.canonical(absolute)
        } catch {
            throw CommandFailure(.usage, "nothing can be mounted at '\(absolute)': \(error); name another path")
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
