import LinuxKernel
import SystemPackage

/// Why a given file cannot be used, as an exit status.
enum InputFile {
    /// Looks whether a file can be read.
    ///
    /// - Returns: The status and the reason: `.notFound` if it does not exist, `.notPermitted` if this user may not
    ///   read it, `.usage` if it is not a file; `nil` if it can be read, so that its content is the problem.
    static func fault(_ path: String) -> (status: ExitStatus, reason: String)? {
        do throws(KernelError) {
            _ = try KernelFile.bytes(path)
            return nil
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory, .notDirectory: return (.notFound, "there is no file '\(path)'")
            case .permissionDenied, .notPermitted: return (.notPermitted, "this user may not read '\(path)'")
            case .isDirectory: return (.usage, "'\(path)' is a directory")
            default: return (.failed, "'\(path)' cannot be read: \(error)")
            }
        }
    }
}
