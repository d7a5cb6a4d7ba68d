import LinuxKernel
import SystemPackage

/// Why a file that a command was pointed at cannot be used, as its exit status.
enum InputFile {
    /// Looks whether a file can be read.
    ///
    /// - Returns: The status and the reason: `.notFound` where there is none, `.notPermitted` where this user may not
    ///   read it, `.usage` where it is no file; nothing when it can be read, so that its content must be at fault.
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
