import ArgumentParser
import CephVolumes
import CommandNames
internal import ExactText
import Volumes

/// How a person names a volume: by the name it was created with, by its image, or by its handle.
struct VolumeName: ExpressibleByArgument, Sendable, CustomStringConvertible {
    let description: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        description = argument
    }

    /// The handle, when that is what was given.
    var handle: VolumeID? { try? VolumeID(parsing: description) }

    /// Whether it names this volume: `name`, `pool/name`, `image`, `pool/image` or `pool/namespace/image`.
    ///
    /// - Parameters:
    ///   - id: The volume's handle.
    ///   - name: The name that it was created with, where that is known.
    ///   - guessing: Whether an image of no known name counts if its name may be made from this one.
    /// - Returns: Whether it does.
    func names(_ id: VolumeID, called name: String? = nil, guessing: Bool = true) -> Bool {
        if [id.image, id.imageSpec, "\(id)"].containsExactly(description) { return true }
        let place = id.namespace.isEmpty ? id.pool : "\(id.pool)/\(id.namespace)"
        for word in [description, description.behind("\(place)/")].compactMap(\.self) {
            if let name {
                if name.isExactly(word) { return true }
                continue
            }
            // The name is not known, but the image's is made from it.
            if guessing, let uuid = try? ImageName.image(forRequest: word, prefix: ""), id.image.endsExactly(with: uuid)
            {
                return true
            }
        }
        return false
    }

    /// What the argument may be, for help.
    static let help = ArgumentHelp(
        "The volume: its name, pool/name where several have it, its image, or clusterID/pool/namespace/image.",
        valueName: "volume"
    )

    static var defaultCompletionKind: CompletionKind { Completion.volumes }
}

extension Session {
    /// Finds the volume that a person means, and notes what it is called; a handle is taken as it is.
    ///
    /// - Throws: `CommandFailure` with `.notFound`, or with `.usage` and the candidates when there are several.
    func volume(_ name: VolumeName) async throws -> VolumeID {
        if let id = try await find(name) { return id }
        if let lack = await backend.lackOfClusters() { throw lack }
        if let fault = await backend.configurationFaults().first {
            throw CommandFailure(.tryAgain, "cannot tell whether there is a volume '\(name)': \(fault)")
        }
        throw CommandFailure(.notFound, "there is no volume '\(name)'; \(try await suggestion(name))")
    }

    /// Finds the volume that a person means; nothing where there is none.
    ///
    /// - Parameters:
    ///   - name: What the person typed.
    ///   - everywhere: Whether one that was found counts only if every cluster was asked.
    /// - Returns: The volume.
    /// - Throws: `CommandFailure`, also when there is none and a cluster could not be asked.
    func find(_ name: VolumeName, everywhere: Bool = false) async throws -> VolumeID? {
        if let handle = name.handle {
            // The service's own view of its config.json is in its answer.
            if isDirect, let lack = await backend.lackOfClusters() { throw lack }
            return handle
        }
        let list = try await during("looking for volume '\(name)'") { try await volumes(limit: nil, deadline: $0) }
        // What has the name comes before what may have had it: a copy keeps the end of the image's name.
        let named = list.volumes.filter { name.names($0.id, called: $0.facts.name, guessing: false) }
        let found = named.isEmpty ? list.volumes.filter { name.names($0.id, called: $0.facts.name) } : named
        guard found.count < 2 else {
            let candidates = found.map { "\n  \($0.id)" }.joined()
            throw CommandFailure(.usage, "'\(name)' is the name of \(found.count) volumes; name one of\(candidates)")
        }
        guard let volume = found.first else {
            guard let missing = list.missing else {
                guard let refusal = Self.refusal(await pools(await backend.refusedPools(), meantBy: name)) else {
                    return nil
                }
                throw CommandFailure(
                    .notPermitted,
                    "no volume '\(name)' was found, but not everywhere was looked: \(refusal)\(nearest(name, list))"
                )
            }
            throw CommandFailure(
                ExitStatus(missing.code),
                "no volume '\(name)' was found, but not everywhere was looked: \(missing.message)\(nearest(name, list))"
            )
        }
        if let missing = list.missing {
            guard !everywhere else {
                throw CommandFailure(
                    ExitStatus(missing.code),
                    "'\(name)' may be the name of another volume too: \(missing.message); "
                        + "if '\(volume.id)' is meant, name it so"
                )
            }
            note("took '\(volume.id)', but not everywhere was looked: \(missing.message)")
        }
        wording.call(volume.id, volume.facts.name ?? name.description)
        return volume.id
    }

    /// Those of pools that a name may be in: one that begins with the name of a pool is in no other.
    private func pools(_ pools: [RefusedPool], meantBy name: VolumeName) async -> [RefusedPool] {
        let parts = name.description.parts(at: "/", most: 1)
        guard !pools.isEmpty, parts.count == 2,
            await backend.absence(ofPool: parts[0], deadline: budget.rest(.seconds(5))) == nil
        else { return pools }
        return pools.filter { $0.pool.isExactly(parts[0]) }
    }

    /// What pools were not looked into, and why; `nil` if there are none.
    static func refusal(_ pools: [RefusedPool]) -> String? {
        guard let first = pools.first else { return nil }
        let others = pools.dropFirst().prefix(8).map { "'\($0.pool.printable)'" }.joined(separator: ", ")
        let more = pools.count > 9 ? ", and \(pools.count - 9) more" : ""
        return first.message + (others.isEmpty ? "" : "; and so it is with \(others)\(more)")
    }

    /// Tells what was not looked at beside a list.
    ///
    /// - Parameters:
    ///   - missing: Why; pools that this user may not read are no fault of a list of what he may read. Names alone tell
    ///     nobody that some are missing, so a quiet list ends with it.
    ///   - hasLooked: Whether the list is of something.
    ///   - pool: The only pool that is meant.
    /// - Throws: `missing`, unless it is only noted.
    func tell(_ missing: VolumeError, besides hasLooked: Bool, pool: String? = nil) throws {
        guard missing.code == .permissionDenied, hasLooked, pool == nil, !isQuiet else { throw missing }
        note("not looked at: \(missing.message)")
    }

    private func nearest(_ name: VolumeName, _ list: VolumeListing) -> String {
        let near = CommandNames.nearest(to: name.description, of: list.volumes.compactMap(\.facts.name))
        return near.map { "; or did you mean '\($0.onOneLine)'?" } ?? ""
    }

    /// What to do about a name that no volume has.
    func suggestion(_ name: VolumeName) async throws -> String {
        let list = try await during("looking for volume '\(name)'") { try await volumes(limit: nil, deadline: $0) }
        let near = CommandNames.nearest(to: name.description, of: list.volumes.compactMap(\.facts.name))
        return near.map { "did you mean '\($0)'?" } ?? "'nacre volume list' shows those there are"
    }

    /// The volumes of all pages, `limit` at most; what lacks clusters or pools says so.
    func volumes(limit: Int?, deadline: ContinuousClock.Instant) async throws -> VolumeListing {
        var list = VolumeListing()
        var token = ""
        while true {
            let wanted = limit.map { min($0 - list.volumes.count, 1000) } ?? 1000
            do throws(VolumeError) {
                let page = try await backend.list(
                    maxEntries: Int32(wanted),
                    startingToken: token,
                    deadline: deadline
                )
                list.volumes += page.volumes
                token = page.nextToken
            } catch {
                guard !token.isEmpty || !error.missing.isEmpty else { throw error }
                list.missing = error
                return list
            }
            if let limit, list.volumes.count >= limit {
                list.isCut = !token.isEmpty
                return list
            }
            guard !token.isEmpty else { return list }
        }
    }
}

/// The volumes that a list gave.
struct VolumeListing: Sendable {
    var volumes: [Volume] = []
    /// Whether there are more.
    var isCut = false
    /// Why clusters and pools are missing, if any are.
    var missing: VolumeError?

    /// What of it is of a pool, or a cluster; that others are missing is no fault of it.
    func within(pool: String?, cluster: String? = nil) -> VolumeListing {
        var part = self
        part.volumes.removeAll { volume in
            !(pool?.isExactly(volume.id.pool) ?? true && cluster?.isExactly(volume.id.clusterID) ?? true)
        }
        if let places = missing?.missing, !places.isEmpty,
            !places.contains(where: { $0.holds(pool: pool, ofCluster: cluster) })
        {
            part.missing = nil
        }
        return part
    }
}

extension Session {
    /// What clusters and pools answered that could be asked, and why the others could not.
    ///
    /// The error has `.permissionDenied` only if nothing but the user's caps is in the way.
    static func gathered<R>(_ answers: [Result<[R], VolumeError>]) -> (found: [R], missing: VolumeError?) {
        var found: [R] = []
        var failures: [VolumeError] = []
        for answer in answers {
            switch answer {
            case .success(let part): found += part
            case .failure(let error): failures.append(error)
            }
        }
        guard let first = failures.first(where: { $0.code != .permissionDenied }) ?? failures.first else {
            return (found, nil)
        }
        let messages = failures.map(\.message).reduce(into: [String]()) { messages, message in
            if !messages.containsExactly(message) { messages.append(message) }
        }
        let more = messages.count > 8 ? "; and \(messages.count - 8) more" : ""
        return (found, VolumeError(first.code, messages.prefix(8).joined(separator: "; ") + more))
    }
}
