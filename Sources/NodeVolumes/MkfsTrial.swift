internal import BlockDevices
internal import ExactText
internal import LinuxKernel
internal import Subprocess
internal import Synchronization
internal import SystemPackage
public import Volumes

/// Asks mkfs itself, by a run that writes nothing, on an empty file of the volume's size in memory; and by one that makes
/// the file system there, where that is small.
///
/// See: mkfs.xfs(8), `-N`; mke2fs(8), `-n`. A file of holes takes no memory, and the runs some 20 ms.
public final class MkfsTrial: FileSystemTrial {
    private struct Question: Hashable {
        let fileSystem: String
        let options: MkfsOptions
        let sizeBytes: UInt64
    }

    /// mke2fs's dry run goes through all groups: above this size it takes seconds, and memory.
    ///
    /// That of mkfs.xfs does not.
    private static let largestExt4Bytes: UInt64 = 128 << 40
    private static let mostAnswers = 1000

    /// Those that wait for the one that runs; with more the node finds out what mkfs says.
    private static let mostWaiting = 16

    private struct State {
        /// What was asked before, nil for a yes: a class asks the same for most of its volumes.
        var answers: [Question: String?] = [:]
        /// What is asked now, by whomever.
        var running: [Question: Task<String?, Never>] = [:]
        /// The last of them: one mkfs at a time.
        var last: Task<String?, Never>?
    }

    private let state = Mutex(State())

    /// Makes one; it remembers its answers.
    public init() {}

    /// Why mkfs refuses these options for a volume of that size, or how many groups too many it would make.
    public func refusal(of fileSystem: String, _ options: MkfsOptions, sizeBytes: UInt64) async -> String? {
        guard !options.words.isEmpty, fileSystem == "xfs" || sizeBytes <= Self.largestExt4Bytes else { return nil }
        let question = Question(fileSystem: fileSystem, options: options, sizeBytes: sizeBytes)
        let (known, task) = state.withLock { state -> (String?, Task<String?, Never>?) in
            if let known = state.answers[question] { return (known, nil) }
            if let running = state.running[question] { return (nil, running) }
            guard state.running.count <= Self.mostWaiting else { return (nil, nil) }
            let before = state.last
            let task = Task {
                _ = await before?.value
                return await self.answer(question)
            }
            state.running[question] = task
            state.last = task
            return (nil, task)
        }
        return await task?.value ?? known
    }

    private func answer(_ question: Question) async -> String? {
        let found = await Self.ask(question)
        state.withLock { state in
            state.running[question] = nil
            if state.running.isEmpty { state.last = nil }
            guard let found else { return }
            if state.answers.count >= Self.mostAnswers { state.answers = [:] }
            state.answers[question] = .some(found)
        }
        return found ?? nil
    }

    /// Nothing where mkfs has not judged the options.
    private static func ask(_ question: Question) async -> String?? {
        guard let file = try? OwnedDescriptor.sharedMemory("nacre-mkfs", bytes: question.sizeBytes) else { return nil }
        // With -v mke2fs counts its groups, unless -q follows.
        let flags = question.fileSystem == "xfs" ? ["-N"] : ["-n", "-v", "-F"]
        func run(_ flags: [String]) async -> FileSystemProgram.Outcome? {
            try? await FileSystemProgram.run(
                "mkfs.\(question.fileSystem)",
                flags + question.options.words.filter { $0 != "-q" } + ["/proc/self/fd/0"],
                "try the options of a file system",
                input: FileDescriptor(rawValue: file.rawValue),
                limit: .seconds(10)
            )
        }
        let outcome = await run(flags)
        guard let reason = outcome.flatMap(refusal) else { return nil }
        guard reason == nil, let report = outcome?.output else { return .some(reason) }
        if let reason = tooManyGroups(question.fileSystem, report) { return .some(reason) }
        // The dry run of mke2fs stops before it looks for room for what every file system has, such as lost+found.
        guard question.fileSystem != "xfs", let groups = groupCount("ext4", report), groups <= mostGroupsMade else {
            return .some(nil)
        }
        return await run(["-F"]).flatMap(refusal)
    }

    /// mke2fs makes a file system of up to so many groups in memory, which takes some MiB of it.
    private static let mostGroupsMade: UInt64 = 1024

    /// What a run says against the options; nothing where it has not judged them.
    ///
    /// It is not here, was not done in time, or was killed. Then the node will see.
    private static func refusal(_ outcome: FileSystemProgram.Outcome) -> String?? {
        guard case .exited(let code) = outcome.status else { return nil }
        if code == 0 { return .some(nil) }
        return isOfThisMoment(outcome.complaint) || code >= 125 ? nil : .some(ToolOutput.reason(outcome.complaint))
    }

    /// What a dry run's report says of groups: `agcount=4,` of xfs, `8 block groups` of ext4; nothing when a node can do
    /// with so many.
    static func tooManyGroups(_ fileSystem: String, _ report: String) -> String? {
        let isXFS = fileSystem == "xfs"
        let most = isXFS ? GrowthLimit.mostXFSGroups : GrowthLimit.mostExt4Groups
        guard let count = groupCount(fileSystem, report), count > most else { return nil }
        return
            "it would make \(count) \(isXFS ? "allocation" : "block") groups, and no node can do with more than \(most)"
    }

    private static func groupCount(_ fileSystem: String, _ report: String) -> UInt64? {
        let words = report.split { $0.isWhitespace || $0 == "," }.map(String.init)
        guard fileSystem != "xfs" else {
            return words.lazy.compactMap { $0.behind("agcount=").flatMap { UInt64($0) } }.first
        }
        return words.indices.lazy.compactMap { index in
            // Of one it says `1 block group`.
            let unit = words[index...].dropFirst().prefix(2)
            return unit.first == "block" && ["group", "groups"].contains(unit.last) ? UInt64(words[index]) : nil
        }
        .first
    }

    /// Whether a complaint is about the machine and not about the options.
    static func isOfThisMoment(_ complaint: String) -> Bool {
        let text = complaint.lowercased()
        return ["memory", "signal", "killed", "resource temporarily", "too many open files", "input/output error"]
            .contains { text.contains($0) }
    }
}
