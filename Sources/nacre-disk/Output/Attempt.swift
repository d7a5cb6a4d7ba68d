internal import ArgumentParser
internal import BlockDevices
internal import LinuxKernel

/// Does what the kernel may refuse; then says what could not be done, and why, and ends the program.
///
/// - Parameters:
///   - what: What is done: `rename the mapping 'a'`.
///   - hint: What to do about some errors.
///   - body: The deed.
/// - Returns: What it returns.
/// - Throws: The exit code.
func attempt<R>(
    _ what: String,
    hint: (KernelError) -> String? = { _ in nil },
    _ body: () throws(KernelError) -> R
) throws -> R {
    do throws(KernelError) {
        return try body()
    } catch {
        Console.error("cannot \(what): \(error.words)\(hint(error).map { "; \($0)" } ?? "")")
        throw error.exitCode
    }
}

extension KernelError {
    /// What the program's end says of it.
    var exitCode: ExitCode {
        if isMissingDevice || isNotFound { return ExitStatus.noDevice }
        return isNotAllowed ? ExitStatus.refused : ExitStatus.failed
    }
}

extension Host {
    /// Who has a mapping or a disk, for the end of a sentence; empty where nobody is seen.
    func users(of name: String) -> String {
        let users = DeviceHolders(sysfs: sysfs.root, proc: proc).holders(of: name).map(\.description)
        return users.isEmpty ? "" : ": " + users.joined(separator: ", ")
    }
}
