internal import LinuxKernel
internal import Subprocess
internal import Synchronization
internal import SystemPackage
public import Volumes

/// Asks mkfs itself, by a run that writes nothing, on an empty file of the volume's size in memory.
///
/// See: mkfs.xfs(8), `-N`; mke2fs(8), `-n`. A file of holes takes no memory, and the runs some 20 ms.
public final class MkfsTrial: FileSystemTrial {
    private struct Question: Hashable {
        let fileSystem: String
        let options: MkfsOptions
        let sizeBytes: UInt64
    }

    /// mke2fs's dry run goes through all groups: above this size it takes seconds, and memory.
    private static let largestBytes: UInt64 = 128 << 40
    private static let mostAnswers = 1000

    /// What was asked before, nil for a yes: a class asks the same for most of its volumes.
    private let answers = Mutex<[Question: String?]>([:])

    /// Makes one; it remembers its answers.
    public init() {}

    /// Why mkfs refuses these options for a volume of that size.
    public func refusal(of fileSystem: String, _ options: MkfsOptions, sizeBytes: UInt64) async -> String? {
        guard !options.words.isEmpty, sizeBytes <= Self.largestBytes else { return nil }
        let question = Question(fileSystem: fileSystem, options: options, sizeBytes: sizeBytes)
        if let known = answers.withLock({ $0[question] }) { return known }
        guard let file = try? OwnedDescriptor.sharedMemory("nacre-mkfs", bytes: sizeBytes) else { return nil }
        let flags = fileSystem == "xfs" ? ["-N", "-q"] : ["-n", "-q", "-F"]
        let outcome = try? await FileSystemProgram.run(
            "mkfs.\(fileSystem)",
            flags + options.words + ["/proc/self/fd/0"],
            "try the options of a file system",
            input: FileDescriptor(rawValue: file.rawValue),
            limit: .seconds(10)
        )
        _ = consume file
        // Not here, not in time, or killed: the node will see.
        guard let outcome, case .exited(let code) = outcome.status else { return nil }
        let answer = code == 0 ? nil : ToolOutput.reason(outcome.complaint)
        answers.withLock {
            if $0.count >= Self.mostAnswers { $0 = [:] }
            $0[question] = .some(answer)
        }
        return answer
    }
}
