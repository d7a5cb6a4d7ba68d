import ArgumentParser
import Blocking
import CephVolumes
import VolumeClient
import Volumes

/// What the shell completes: names that only a cluster or this machine knows.
///
/// Asked while a person waits with a key pressed: two seconds at most, and nothing is said of what fails.
enum Completion {
    private static let patience = Duration.seconds(2)

    /// Volumes by their names.
    static let volumes = CompletionKind.custom { words, _, _ in
        await listed(by: words).map { $0.facts.name ?? $0.id.imageSpec }
    }

    /// The pools of the clusters; where there is no user to ask Ceph as, those that have volumes.
    static let pools = CompletionKind.custom { words, _, _ in
        await first {
            guard let backend = try? DirectServices.controller(try connection(by: words)),
                let pools = try? await backend.store.poolNames()
            else { return Set(await listed(by: words).map(\.id.pool)).sorted() }
            return pools
        }
    }

    /// What is mounted, or mapped, on this machine: by path and by name.
    static func uses(_ kind: LocalUse.Kind) -> CompletionKind {
        .custom { words, _, _ in
            let options = LocalUses(
                stateDirectory: value(of: "--state-dir", in: words) ?? LocalOptions.stateDirectory,
                runDirectory: LocalOptions.runDirectory
            )
            let uses = ((try? options.all()) ?? []).filter { $0.kind == kind }
            return uses.map(\.path) + uses.compactMap(\.name)
        }
    }

    /// The volumes there are, as the command line so far says where to look.
    private static func listed(by words: [String]) async -> [Volume] {
        await first {
            guard let connection = try? connection(by: words) else { return [] }
            let backend: (any VolumeBackend)? =
                connection.direct
                ? try? DirectServices.controller(connection) : try? await SocketBackend(path: connection.socket)
            let page = try? await backend?.list(maxEntries: 1000, startingToken: "", deadline: .now + patience)
            return page?.volumes ?? []
        }
    }

    /// What `body` finds in time.
    ///
    /// A cluster that does not answer may hold a call longer than its deadline says; the process ends without it.
    private static func first<R: Sendable>(_ body: @escaping @Sendable () async -> [R]) async -> [R] {
        let (answers, answer) = AsyncStream.makeStream(of: [R].self)
        Task { answer.yield(await body()) }
        Task {
            try await Task.sleep(for: patience)
            answer.yield([])
        }
        for await found in answers { return found }
        return []
    }

    private static func connection(by words: [String]) throws -> ConnectionOptions {
        var arguments: [String] = words.contains("--direct") ? ["--direct"] : []
        for option in ["--socket", "--config", "--secret-dir"] {
            if let value = value(of: option, in: words) { arguments += [option, value] }
        }
        return try ConnectionOptions.parse(arguments)
    }

    /// The value of an option among words, as `--option value` or `--option=value`.
    private static func value(of option: String, in words: [String]) -> String? {
        for (index, word) in words.enumerated() {
            if word == option, index + 1 < words.count { return words[index + 1] }
            if word.hasPrefix(option + "=") { return String(word.dropFirst(option.count + 1)) }
        }
        return nil
    }
}
