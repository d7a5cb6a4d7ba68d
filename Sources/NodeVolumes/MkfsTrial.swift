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

        /// The options without what hinders a reader of the report.
        ///
        /// Those are -q, which silences it, and the label of an ext4, which stands in it and may read as a part of it. That
        /// of an xfs does not stand there, and mkfs.xfs may refuse it.
        var words: [String] {
            var words: [String] = []
            var rest = options.words[...]
            while let word = rest.popFirst() {
                if word == "-L", let label = rest.popFirst() {
                    if fileSystem == "xfs" { words += [word, label] }
                } else if word != "-q" {
                    words.append(word)
                }
            }
            return words
        }
    }

    /// mke2fs's dry run goes through all groups: above this size it takes seconds, and memory, also with few groups.
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
        guard !options.words.isEmpty else { return nil }
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
        if question.fileSystem != "xfs", question.sizeBytes > fewBytes {
            if let reason = await tooManyGroupsByFewBytes(question) { return .some(reason) }
            guard question.sizeBytes <= largestExt4Bytes else { return nil }
        }
        // With -v mke2fs counts its groups, unless -q follows.
        let flags = question.fileSystem == "xfs" ? ["-N"] : ["-n", "-v", "-F"]
        let words = question.words
        let outcome = await run(question.fileSystem, flags + words, on: question.sizeBytes)
        guard let reason = outcome.flatMap(refusal) else { return nil }
        guard reason == nil, let report = outcome?.output else { return .some(reason) }
        if let count = groupCount(question.fileSystem, report),
            let reason = tooManyGroups(question.fileSystem, count)
        {
            return .some(reason)
        }
        // The dry run of mke2fs stops before it looks for room for what every file system has, such as lost+found.
        guard question.fileSystem != "xfs", let groups = groupCount("ext4", report), groups <= mostGroupsMade else {
            return .some(nil)
        }
        return await run("ext4", ["-F"] + words, on: question.sizeBytes).flatMap(refusal)
    }

    /// What mkfs says of a file of that size; nothing when it cannot be run, or was not done in time.
    private static func run(
        _ fileSystem: String,
        _ arguments: [String],
        on sizeBytes: UInt64
    ) async -> FileSystemProgram.Outcome? {
        guard let file = try? OwnedDescriptor.sharedMemory("nacre-mkfs", bytes: sizeBytes) else { return nil }
        return try? await FileSystemProgram.run(
            "mkfs.\(fileSystem)",
            arguments + ["/proc/self/fd/0"],
            "try the options of a file system",
            input: FileDescriptor(rawValue: file.rawValue),
            limit: .seconds(60)
        )
    }

    /// So few that mke2fs has at most 2^16 groups on them, for which it needs 4 MiB.
    private static let fewBytes: UInt64 = 16 << 30

    /// How many groups too many mke2fs would make, by the size of those that it makes on few bytes; nothing when it says
    /// none of that.
    ///
    /// A dry run with the whole size has all groups in memory and goes through them. With so many it is not done where
    /// memory or time is short, and what it would say must not depend on that.
    private static func tooManyGroupsByFewBytes(_ question: Question) async -> String? {
        var words = question.words
        // Numbers that are for the whole size.
        for letter in ["-N", "-J"] {
            while let place = words.firstIndex(of: letter) {
                words.removeSubrange(place..<min(place + 2, words.endIndex))
            }
        }
        // mke2fs.conf has a type for each range of sizes.
        if !words.contains("-T") {
            words += ["-T", question.sizeBytes < 4 << 40 ? "default" : question.sizeBytes < 16 << 40 ? "big" : "huge"]
        }
        // Many inodes make groups smaller, unless the whole size cannot have as many: with few they are the largest.
        words += ["-i", "65536"]
        guard let report = await run("ext4", ["-n", "-v", "-F"] + words, on: fewBytes), case .exited(0) = report.status,
            let count = groupCount(of: question.sizeBytes, by: report.output)
        else { return nil }
        return tooManyGroups("ext4", count)
    }

    /// How many groups a size makes, by what mke2fs says of its blocks, `Block size=4096`, and of each group, `32768 blocks
    /// per group`.
    private static func groupCount(of sizeBytes: UInt64, by report: String) -> UInt64? {
        let words = words(report)
        guard let blockBytes = words.lazy.compactMap({ $0.behind("size=").flatMap { UInt64($0) } }).first,
            blockBytes > 0,
            let place = words.indices.first(where: { words[$0...].dropFirst().prefix(3) == ["blocks", "per", "group"] }
            ),
            let groupBlocks = UInt64(words[place]), groupBlocks > 0
        else { return nil }
        // The first of blocks of 1024 bytes is in no group.
        let blocks = sizeBytes / blockBytes - (blockBytes == 1024 ? 1 : 0)
        return (blocks + groupBlocks - 1) / groupBlocks
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

    /// That there are more groups than a node can do with; nothing when there are not.
    private static func tooManyGroups(_ fileSystem: String, _ count: UInt64) -> String? {
        let isXFS = fileSystem == "xfs"
        let most = isXFS ? GrowthLimit.mostXFSGroups : GrowthLimit.mostExt4Groups
        guard count > most else { return nil }
        return
            "it would make \(count) \(isXFS ? "allocation" : "block") groups, and no node can do with more than \(most)"
    }

    /// What a dry run's report says of groups: `agcount=4,` of xfs, `8 block groups` of ext4.
    private static func groupCount(_ fileSystem: String, _ report: String) -> UInt64? {
        let words = words(report)
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

    private static func words(_ report: String) -> [String] {
        report.split { $0.isWhitespace || $0 == "," }.map(String.init)
    }

    /// Whether a complaint is about the machine and not about the options.
    static func isOfThisMoment(_ complaint: String) -> Bool {
        let text = complaint.lowercased()
        return ["memory", "signal", "killed", "resource temporarily", "too many open files", "input/output error"]
            .contains { text.contains($0) }
    }
}
