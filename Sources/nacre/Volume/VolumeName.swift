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
    func find(_ name: VolumeName) async throws -> VolumeID? {
        if let handle = name.handle { return handle }
        let found = try await during("looking for volume '\(name)'") { deadline in
            try await volumes(limit: nil, deadline: deadline).volumes
                .filter { name.names($0.id, called: $0.facts.name) }
        }
        guard found.count < 2 else {
            let candidates = found.map { "\n  \($0.id)" }.joined()
            throw CommandFailure(.usage, "'\(name)' is the name of \(found.count) volumes; name one of\(candidates)")
        }
        guard let volume = found.first else { return nil }
        wording.call(volume.id, volume.facts.name ?? name.description)
        return volume.id
    }

    /// What to do about a name that no volume has.
    func suggestion(_ name: VolumeName) async throws -> String {
        let names = try await during("looking for volume '\(name)'") { deadline in
            try await volumes(limit: nil, deadline: deadline).volumes.compactMap(\.facts.name)
        }
        let faults = await backend.configurationFaults()
        guard faults.isEmpty else {
            return "it may be in a cluster that is not looked at: \(faults.joined(separator: "; "))"
        }
        let near = CommandNames.nearest(to: name.description, of: names)
        return near.map { "did you mean '\($0)'?" } ?? "'nacre volume list' shows those there are"
    }

    /// The volumes of all pages, `limit` at most, and whether there are more.
    func volumes(
        limit: Int?,
        deadline: ContinuousClock.Instant
    ) async throws -> (volumes: [Volume], isCut: Bool) {
        var volumes: [Volume] = []
        var token = ""
        while true {
            let wanted = limit.map { min($0 - volumes.count, 1000) } ?? 1000
            let page = try await backend.list(
                maxEntries: Int32(wanted),
                startingToken: token,
                deadline: deadline
            )
            volumes += page.volumes
            token = page.nextToken
            if let limit, volumes.count >= limit { return (volumes, !token.isEmpty) }
            guard !token.isEmpty else { return (volumes, false) }
        }
    }
}
