import ArgumentParser
import Volumes

/// How a person names a volume: by its handle, its image, or the name it was created with.
struct VolumeName: ExpressibleByArgument, Sendable, CustomStringConvertible {
    let description: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        description = argument
    }

    /// The handle, when that is what was given.
    var handle: VolumeID? { try? VolumeID(parsing: description) }

    /// Whether it names this volume: `image`, `pool/image`, `pool/namespace/image` or the name of its create request.
    func names(_ id: VolumeID) -> Bool {
        if [id.image, id.imageSpec].contains(description) { return true }
        guard let uuid = try? ImageName.image(forRequest: description, prefix: "") else { return false }
        return id.image.hasSuffix(uuid)
    }

    /// What the argument may be, for help.
    static let help = ArgumentHelp(
        "The volume: clusterID/pool/namespace/image, or its image's or its own name where that is unique.",
        valueName: "volume"
    )
}

extension Session {
    /// Finds the volume that a person means; a handle is taken as it is.
    ///
    /// - Throws: `CommandFailure` with `.notFound`, or with `.usage` and the candidates when there are several.
    func volume(_ name: VolumeName) async throws -> VolumeID {
        if let handle = name.handle { return handle }
        let found = try await during("looking for volume '\(name)'") { deadline in
            try await volumes(limit: nil, deadline: deadline).volumes.map(\.id).filter(name.names)
        }
        guard let id = found.first else {
            throw CommandFailure(.notFound, "there is no volume '\(name)'; 'nacre volume list' shows those there are")
        }
        guard found.count == 1 else {
            let candidates = found.map { "\n  \($0)" }.joined()
            throw CommandFailure(.usage, "'\(name)' is the name of \(found.count) volumes; name one of\(candidates)")
        }
        return id
    }

    /// The volumes of all pages, `limit` at most, and whether there are more.
    func volumes(
        limit: Int?,
        deadline: ContinuousClock.Instant
    ) async throws -> (volumes: [Volume], isCut: Bool) {
        var volumes: [Volume] = []
        var token = ""
        while true {
            let wanted = limit.map { min($0 - volumes.count, 1000) } ?? 0
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
