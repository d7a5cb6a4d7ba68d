import ArgumentParser
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
    /// - Returns: Whether it does.
    func names(_ id: VolumeID, called name: String? = nil) -> Bool {
        if [id.image, id.imageSpec, "\(id)"].containsExactly(description) { return true }
        let place = id.namespace.isEmpty ? id.pool : "\(id.pool)/\(id.namespace)"
        for word in [description, description.behind("\(place)/")].compactMap(\.self) {
            if let name {
                if name.isExactly(word) { return true }
                continue
            }
            // The name is not known, but the image's is made from it.
            if let uuid = try? ImageName.image(forRequest: word, prefix: ""), id.image.endsExactly(with: uuid) {
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
        if let handle = name.handle { return handle }
        let list = try await during("looking for volume '\(name)'") { try await volumes(limit: nil, deadline: $0) }
        let found = list.volumes.filter { name.names($0.id, called: $0.facts.name) }
        guard found.count < 2 else {
            let candidates = found.map { "\n  \($0.id)" }.joined()
            throw CommandFailure(.usage, "'\(name)' is the name of \(found.count) volumes; name one of\(candidates)")
        }
        guard let volume = found.first else {
            guard let missing = list.missing else { return nil }
            throw CommandFailure(
                ExitStatus(missing.code),
                "no volume '\(name)' was found, but not everywhere was looked: \(missing.message)"
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

    /// What to do about a name that no volume has.
    func suggestion(_ name: VolumeName) async throws -> String {
        let list = try await during("looking for volume '\(name)'") { try await volumes(limit: nil, deadline: $0) }
        let faults = await backend.configurationFaults()
        guard faults.isEmpty else {
            return "it may be in a cluster that is not looked at: \(faults.joined(separator: "; "))"
        }
        let near = CommandNames.nearest(to: name.description, of: list.volumes.compactMap(\.facts.name))
        return near.map { "did you mean '\($0)'?" } ?? "'nacre volume list' shows those there are"
    }

    /// The volumes of all pages, `limit` at most.
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
                guard !token.isEmpty else { throw error }
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
    /// Why clusters are missing, if any are.
    var missing: VolumeError?
}

extension Session {
    /// What clusters answered that could be asked, and why the first other one could not.
    static func gathered<R>(_ answers: [Result<[R], VolumeError>]) -> (found: [R], missing: VolumeError?) {
        var found: [R] = []
        var missing: VolumeError?
        for answer in answers {
            switch answer {
            case .success(let part): found += part
            case .failure(let error): missing = missing ?? error
            }
        }
        return (found, missing)
    }
}
