package import JSON

/// What became of a node that a cluster leaves.
public struct TeardownResult: Sendable {
    /// What was to be done.
    public let teardown: NodeTeardown
    /// What became of the disks that could be erased.
    public let outcomes: [ZapOutcome]
    /// Disks that stay until a db or wal of their OSD is erased.
    public let waiting: [ZapPlan]
    /// Stale names of the cluster below `/dev` that are gone.
    public let links: [String]
    /// The cluster's directories that are gone.
    public let directories: [String]
    /// The cluster's directories that are still there.
    public let directoriesLeft: [String]

    /// What was done, and what is left.
    public init(
        teardown: NodeTeardown,
        outcomes: [ZapOutcome],
        waiting: [ZapPlan],
        links: [String],
        directories: [String],
        directoriesLeft: [String]
    ) {
        self.teardown = teardown
        self.outcomes = outcomes
        self.waiting = waiting
        self.links = links
        self.directories = directories
        self.directoriesLeft = directoriesLeft
    }

    /// Whether every disk that is known to be the cluster's is clean.
    public var isFreed: Bool { teardown.isFreed(by: outcomes, waiting) }

    /// Whether nothing of the cluster is left, as far as anybody can tell.
    public var isComplete: Bool {
        isFreed && directoriesLeft.isEmpty && !teardown.left.contains(where: \.isUnclear)
    }

    /// One sentence, for people.
    public var summary: String {
        let freed = outcomes.filter(\.isClean).count
        let stay = outcomes.count - freed + teardown.refused.count + waiting.count
        let unclear = teardown.left.filter(\.isUnclear).count
        let parts = [
            Self.count(freed, "disk") + " freed",
            stay == 0 ? "none of the cluster's left" : "\(stay) of the cluster's left",
            unclear == 0 ? nil : "\(unclear) that nobody can tell of",
            directories.isEmpty ? nil : Self.count(directories.count, "directory", "directories") + " removed",
            directoriesLeft.isEmpty ? nil : Self.count(directoriesLeft.count, "directory", "directories") + " left",
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }

    private static func count(_ number: Int, _ one: String, _ many: String? = nil) -> String {
        "\(number) \(number == 1 ? one : many ?? one + "s")"
    }

    /// For scripts.
    package var report: JSONValue {
        .fields([
            "cluster": .string(teardown.cluster), "foreign": .texts(teardown.foreign), "complete": .bool(isComplete),
            "summary": .string(summary), "outcomes": .array(outcomes.map(\.report)),
            "refused": .array(teardown.refused.map(\.stay)), "waiting": .texts(waiting.map(\.path)),
            "left": .array(teardown.left.map(\.report)), "links": .texts(links), "directories": .texts(directories),
            "directoriesLeft": .texts(directoriesLeft),
        ])
    }
}

extension NodeTeardown {
    /// Whether every disk that is known to be the cluster's is clean: only then do its directories go.
    ///
    /// - Parameters:
    ///   - outcomes: What became of the disks that could be erased.
    ///   - waiting: Disks that stay until a db or wal of their OSD is erased.
    /// - Returns: Whether they are.
    public func isFreed(by outcomes: [ZapOutcome], _ waiting: [ZapPlan]) -> Bool {
        outcomes.allSatisfy(\.isClean) && refused.isEmpty && waiting.isEmpty
    }

    /// The plan for scripts.
    ///
    /// - Parameter directories: What would be removed of Rook's directory.
    /// - Returns: An object.
    package func report(directories: [String]) -> JSONValue {
        .fields([
            "cluster": .string(cluster), "foreign": .texts(foreign), "plans": .array(plans.map(\.report)),
            "left": .array(left.map(\.report)), "directories": .texts(directories),
        ])
    }
}

extension NodeTeardown.Left {
    var report: JSONValue { .fields(["text": .string(text), "unclear": .bool(isUnclear)]) }
}

extension ZapPlan {
    /// That it stays, and why.
    var stay: JSONValue {
        .fields([
            "path": .string(path), "identity": identity.report, "refusals": .array(refusals.map(\.report)),
        ])
    }
}
