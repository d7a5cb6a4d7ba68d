import ArgumentParser
import CommandNames
import ExactText
import Volumes

/// How a person names a snapshot: by the name it was taken with, by its name on the image, or by its handle.
struct SnapshotName: ExpressibleByArgument, Sendable, CustomStringConvertible {
    let description: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        description = argument
    }

    /// The handle, when that is what was given.
    var handle: SnapshotID? { try? SnapshotID(parsing: description) }

    /// Whether it names this snapshot: `name`, `pool/name`, `csi-snap-UUID`, or the handle.
    func names(_ snapshot: Snapshot) -> Bool {
        let place = snapshot.id.poolSpec
        return [description, description.behind("\(place)/")].compactMap(\.self).contains { word in
            [snapshot.name, snapshot.id.name, "\(snapshot.id)"].containsExactly(word)
        }
    }

    /// What the argument may be, for help.
    static let help = ArgumentHelp(
        "The snapshot: its name, pool/name where several have it, or clusterID/pool/namespace/imageID@snapshot.",
        valueName: "snapshot"
    )

    static var defaultCompletionKind: CompletionKind { Completion.snapshots }
}

/// The snapshots that a list gave.
struct SnapshotListing: Sendable {
    var snapshots: [Snapshot] = []
    /// Why clusters and pools are missing, if any are.
    var missing: VolumeError?

    /// What of it is of a pool; that others are missing is no fault of it.
    func within(pool: String) -> SnapshotListing {
        var part = self
        part.snapshots.removeAll { !pool.isExactly($0.id.pool) }
        if let places = missing?.missing, !places.isEmpty,
            !places.contains(where: { $0.holds(pool: pool, ofCluster: nil) })
        {
            part.missing = nil
        }
        return part
    }
}

extension Session {
    /// Finds the snapshot that a person means.
    ///
    /// - Throws: `CommandFailure` with `.notFound`, or with `.usage` and the candidates when there are several.
    func snapshot(_ name: SnapshotName) async throws -> Snapshot {
        if let found = try await find(name) { return found }
        if let lack = await backend.lackOfClusters() { throw lack }
        if let fault = await backend.configurationFaults().first {
            throw CommandFailure(.tryAgain, "cannot tell whether there is a snapshot '\(name)': \(fault)")
        }
        let list = try await during("looking for snapshot '\(name)'") { try await snapshots(of: nil, deadline: $0) }
        let near = CommandNames.nearest(to: name.description, of: list.snapshots.map(\.name))
        let hint = near.map { "did you mean '\($0.onOneLine)'?" } ?? "'nacre snapshot list' shows those there are"
        throw CommandFailure(.notFound, "there is no snapshot '\(name)'; \(hint)")
    }

    /// Finds the snapshot that a person means; nothing where there is none.
    ///
    /// - Parameters:
    ///   - name: What the person typed.
    ///   - everywhere: Whether one that was found counts only if every cluster was asked.
    /// - Returns: The snapshot.
    /// - Throws: `CommandFailure`, also when there is none and a cluster could not be asked.
    func find(_ name: SnapshotName, everywhere: Bool = false) async throws -> Snapshot? {
        if let handle = name.handle {
            do {
                return try await during("reading snapshot '\(name)'") {
                    try await backend.snapshot("\(handle)", deadline: $0)
                }
            } catch let error as VolumeError where error.code == .notFound {
                return nil
            }
        }
        let list = try await during("looking for snapshot '\(name)'") { try await snapshots(of: nil, deadline: $0) }
        let found = list.snapshots.filter { name.names($0) }
        guard found.count < 2 else {
            let candidates = found.map { "\n  \($0.id)" }.joined()
            throw CommandFailure(.usage, "'\(name)' is the name of \(found.count) snapshots; name one of\(candidates)")
        }
        guard let snapshot = found.first else {
            if let missing = list.missing {
                throw CommandFailure(
                    ExitStatus(missing.code),
                    "no snapshot '\(name)' was found, but not everywhere was looked: \(missing.message)"
                )
            }
            guard let refusal = Self.refusal(await backend.refusedPools()) else { return nil }
            throw CommandFailure(
                .notPermitted,
                "no snapshot '\(name)' was found, but not everywhere was looked: \(refusal)"
            )
        }
        if let missing = list.missing {
            guard !everywhere else {
                throw CommandFailure(
                    ExitStatus(missing.code),
                    "'\(name)' may be the name of another snapshot too: \(missing.message); if '\(snapshot.id)' is meant, "
                        + "name it so"
                )
            }
            note("took '\(snapshot.id)', but not everywhere was looked: \(missing.message)")
        }
        return snapshot
    }

    /// The snapshots of all pages; what lacks clusters or pools says so.
    func snapshots(of source: VolumeID?, deadline: ContinuousClock.Instant) async throws -> SnapshotListing {
        var list = SnapshotListing()
        var token = ""
        while true {
            do throws(VolumeError) {
                let page = try await backend.snapshots(
                    of: source.map { "\($0)" },
                    maximum: 1000,
                    token: token,
                    deadline: deadline
                )
                list.snapshots += page.snapshots
                token = page.nextToken
            } catch {
                guard !token.isEmpty || !error.missing.isEmpty else { throw error }
                list.missing = error
                return list
            }
            guard !token.isEmpty else { return list }
        }
    }
}
