internal import Subprocess
internal import SystemPackage
internal import Volumes

/// mkfs, e2fsck, resize2fs, xfs_repair: how they are run, and how they ended.
enum FileSystemProgram {
    /// How a program ended, and what it said.
    struct Outcome: Sendable {
        let status: TerminationStatus
        /// What it said of errors; nothing else where it said something of them.
        let complaint: String
        /// All that it said, errors first.
        let output: String

        /// An error that names the program and its reason.
        func failure(_ what: String, _ program: String) -> VolumeError {
            let ending =
                switch status {
                case .exited(let code): "exit status \(code)"
                case .signaled(let signal): "signal \(signal)\(signal == 9 ? ", as one that lacks memory is" : "")"
                }
            return VolumeError(
                .internal,
                "cannot \(what): \(program) ended with \(ending): \(ToolOutput.reason(output))"
            )
        }
    }

    /// A check of the largest volume is done by then; one that hangs is not waited for longer.
    private static var limit: Duration { .seconds(2 * 3600) }

    /// Runs a program to its end.
    ///
    /// - Parameters:
    ///   - program: Its name.
    ///   - arguments: Its words.
    ///   - what: What it is to do, for errors.
    ///   - input: The caller's file that it has as its input; it has none otherwise.
    ///   - limit: How long it may take.
    /// - Returns: How it ended.
    /// - Throws: `VolumeError` when it could not be run, or was not done in time.
    static func run(
        _ program: String,
        _ arguments: [String],
        _ what: String,
        input: FileDescriptor? = nil,
        limit: Duration = limit
    ) async throws(VolumeError) -> Outcome {
        let result: Outcome?
        do {
            let nothing = try FileDescriptor.open("/dev/null", .readOnly)
            defer { try? nothing.close() }
            let input = input ?? nothing
            result = try await withThrowingTaskGroup(of: Outcome?.self) { group in
                group.addTask {
                    let result = try await Subprocess.run(
                        .name(program),
                        arguments: Arguments(arguments),
                        environment: .inherit.updating(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"]),
                        input: .fileDescriptor(input, closeAfterSpawningProcess: false),
                        output: .string(limit: 1 << 20),
                        error: .string(limit: 1 << 20)
                    )
                    return Outcome(
                        status: result.terminationStatus,
                        complaint: result.standardError.isEmpty ? result.standardOutput : result.standardError,
                        output: result.standardError + result.standardOutput
                    )
                }
                group.addTask {
                    try await Task.sleep(for: limit)
                    return nil
                }
                let first = try await group.next() ?? nil
                // Ends the program, if it is that which was not done.
                group.cancelAll()
                return first
            }
        } catch {
            throw VolumeError(.internal, "cannot \(what): \(program) cannot be run (\(error)); is it installed?")
        }
        guard let result else {
            throw VolumeError(.internal, "cannot \(what): \(program) was not done after \(limit)")
        }
        return result
    }
}
