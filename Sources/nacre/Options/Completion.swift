import ArgumentParser
import CephVolumes
import Dispatch
internal import ExactText
import RBD
import Synchronization
import Volumes

/// Completions of names that only a cluster or this machine knows.
///
/// A person is waiting, so a completion takes at most two seconds and prints no errors.
enum Completion {
    /// Volumes by their names.
    static let volumes = CompletionKind.custom { words, _, _ in
        listed(by: words).map { $0.facts.name ?? $0.id.imageSpec }
    }

    /// Snapshots by their names.
    static let snapshots = CompletionKind.custom { words, _, _ in
        first {
            guard let backend = await backend(by: words) else { return [] }
            let page = try? await backend.snapshots(of: nil, maximum: 1000, token: "", deadline: .now + .seconds(2))
            return (page?.snapshots ?? []).map(\.title)
        }
    }

    /// Deleted volumes that can be had back, by their names.
    static let deletedVolumes = CompletionKind.custom { words, _, _ in
        first {
            guard let credentials = try? connection(by: words).ceph.credentials(), let store = store(by: words) else {
                return []
            }
            let answers = try? await store.trash.deletedVolumes(
                clusterID: value(of: "--cluster", in: words),
                pool: value(of: "--pool", in: words),
                credentials: credentials
            )
            return Session.gathered(answers ?? []).found.map {
                $0.metadata[ImageMetadataKey.requestName] ?? $0.id.imageSpec
            }
        }
    }

    /// Nodes and clients that have a volume.
    static let holders = CompletionKind.custom { words, _, _ in
        first {
            let (holders, _) = Session.gathered(await store(by: words)?.holders.all() ?? [])
            return Set(holders.compactMap(\.node)).sorted() + Set(holders.map(\.client.address)).sorted()
        }
    }

    /// Clients that the clusters refuse.
    static let fenced = CompletionKind.custom { words, _, _ in
        first {
            guard let store = store(by: words) else { return [] }
            return Set(Session.gathered(await store.holders.blocklists()).found.map(\.address)).sorted()
        }
    }

    /// The clusters of config.json.
    static let clusters = CompletionKind.custom { words, _, _ in
        guard let options = try? connection(by: words).ceph else { return [] }
        return ClusterConfiguration(path: options.config).clusters.map(\.clusterID)
    }

    /// The pools of the clusters; without a Ceph user, the pools that have volumes.
    static let pools = CompletionKind.custom { words, _, _ in
        first {
            guard let pools = try? await store(by: words)?.access.poolNames() else {
                return Set(await volumes(by: words).map(\.id.pool)).sorted()
            }
            return pools
        }
    }

    /// Volumes that are mounted or mapped on this machine, by path and by name.
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

    private static func store(by words: [String]) -> RBDImageStore? {
        (try? connection(by: words)).flatMap { try? DirectServices.controller($0.ceph).store }
    }

    private static func listed(by words: [String]) -> [Volume] {
        first { await volumes(by: words) }
    }

    /// The volumes, found with the options of the command line so far.
    private static func volumes(by words: [String]) async -> [Volume] {
        let page = try? await backend(by: words)?.list(
            maxEntries: 1000,
            startingToken: "",
            deadline: .now + .seconds(2)
        )
        return page?.volumes ?? []
    }

    /// What answers, by the options of the command line so far.
    private static func backend(by words: [String]) async -> (any VolumeBackend)? {
        guard let connection = try? connection(by: words) else { return nil }
        return connection.direct
            ? try? DirectServices.controller(connection.ceph) : try? await SocketBackend(path: connection.socket)
    }

    /// What `body` finds in two seconds.
    ///
    /// A call to an unreachable cluster may exceed its deadline; the process then ends without it. This blocks the
    /// first thread, which has nothing else to do, because the argument parser cannot wait for a task.
    private static func first<R: Sendable>(_ body: @escaping @Sendable () async -> [R]) -> [R] {
        let answer = Answer<R>()
        Task.detached { answer.give(await body()) }
        return answer.wait(until: .now() + 2)
    }

    /// A place for what another task finds.
    private final class Answer<R: Sendable>: Sendable {
        private let found = Mutex<[R]>([])
        private let isThere = DispatchSemaphore(value: 0)

        func give(_ found: [R]) {
            self.found.withLock { $0 = found }
            isThere.signal()
        }

        func wait(until time: DispatchTime) -> [R] {
            guard isThere.wait(timeout: time) == .success else { return [] }
            return found.withLock { $0 }
        }
    }

    private static func connection(by words: [String]) throws -> ConnectionOptions {
        var arguments: [String] = words.contains("--direct") ? ["--direct"] : []
        for option in ["--socket", "--config", "--secret-dir"] {
            if let value = value(of: option, in: words) { arguments += [option, value] }
        }
        return try ConnectionOptions.parse(arguments)
    }

    /// The value of an option in the arguments, as `--option value` or `--option=value`.
    private static func value(of option: String, in words: [String]) -> String? {
        for (index, word) in words.enumerated() {
            if word == option, index + 1 < words.count { return words[index + 1] }
            if let value = word.behind(option + "=") { return value }
        }
        return nil
    }
}
