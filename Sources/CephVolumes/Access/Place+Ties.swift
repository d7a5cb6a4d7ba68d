internal import ExactText
internal import RBD
internal import Volumes

extension ImageTies {
    /// What holds the image, and the commands that end it; nothing if nothing does.
    ///
    /// - Parameters:
    ///   - imageSpec: How `rbd children` is told the image: `pool/namespace/image` as a word of a shell.
    ///   - arguments: How `rbd snap purge` is told the image, such as `--pool rbd --image-id 1a2b`.
    /// - Returns: `it has the snapshots a, b; remove them first: rbd snap purge rbd/data`.
    func words(of imageSpec: String, named arguments: String) -> String? {
        var parts: [String] = []
        let freeing = freeing(imageSpec)
        if let first = snapshots.first {
            let shown = snapshots.prefix(8).map(\.printable).joined(separator: ", ")
            let what = snapshots.count == 1 ? "snapshot \(first.printable)" : "snapshots \(shown)"
            let more = snapshots.count > 8 ? " and more" : ""
            // A purge ends at a protected one, so they come first; and no protection ends that a clone needs.
            let unprotect = protectedSnapshots.prefix(8).map { "rbd snap unprotect \(snapshot($0, imageSpec))" }
            let others = protectedSnapshots.count > 8 ? " (and so for the others that are protected)" : ""
            let protected = unprotect.isEmpty ? "" : "\(unprotect.joined(separator: "; "))\(others); then "
            let before = freeing.map { ", and \($0); then," } ?? ";"
            parts.append(
                "it has the \(what)\(more)\(before) when nobody needs \(snapshots.count == 1 ? "it" : "them"): "
                    + "\(protected)rbd snap purge \(arguments)"
            )
        } else if hasClones {
            let shows = "rbd children --all \(imageSpec) shows them"
            parts.append(
                "clones need its deleted snapshots (\(shows)); \(freeing ?? "rbd flatten frees it")"
            )
        }
        if hasGroupSnapshots {
            parts.append("a group of images has snapshots of it; remove them by rbd group snap rm")
        }
        if let group {
            parts.append("it is in the group '\(group.printable)'; rbd group image rm takes it out")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    /// A snapshot as `rbd` is told it.
    private func snapshot(_ name: String, _ imageSpec: String) -> String {
        "\(imageSpec)\(imageSpec.startsExactly(with: "--") ? " --snap " : "@")\(name.shellWord)"
    }

    /// Which clones need the image, and the commands that end it; nothing where none is known of.
    private func freeing(_ imageSpec: String) -> String? {
        let unnamed = clones.filter { $0.name == nil }
        var parts: [String] = []
        let commands = clones.compactMap(\.freeing).prefix(8)
        if !commands.isEmpty {
            let own = clones.count == 1 ? "a clone needs it: give it" : "clones need it: give each"
            parts.append("\(own) its own data, or remove what nobody needs: \(commands.joined(separator: "; "))")
        }
        let named = protectedSnapshots.first ?? snapshots.first
        let shows = named.map { "rbd children \(snapshot($0, imageSpec))" } ?? "rbd children --all \(imageSpec)"
        if let first = unnamed.first {
            let more = unnamed.count > 1 ? ", and \(unnamed.count - 1) more" : ""
            parts.append(
                "a clone needs it whose name this user may not read: id \(first.id.printable) in pool "
                    + "'\(first.pool.printable)'\(more); a user who may: \(shows), then rbd flatten what that names"
            )
        }
        if hasUnseenClones || clones.count - unnamed.count > commands.count {
            parts.append("there may be more clones, which \(shows) tells")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

extension ImageClone {
    /// The commands that make it independent, and in brackets that which removes it; nothing where its name is not known.
    fileprivate var freeing: String? {
        guard let name else { return nil }
        let place = namespace.isEmpty ? pool : "\(pool)/\(namespace)"
        let (spec, inTrash) = ("\(place)/\(name)".shellWord, "\(place)/\(id)".shellWord)
        // Its own snapshots keep the bond of what was flattened without deep-flatten; they may be somebody's backups.
        let purge = keepsBond ? "; then, when nobody needs its own snapshots: rbd snap purge \(spec)" : ""
        guard isInTrash else {
            let removal = "\(hasSnapshots ? "rbd snap purge \(spec), then " : "")rbd rm \(spec)"
            return "rbd flatten \(spec) (or \(removal))\(purge)"
        }
        return "rbd trash restore \(inTrash); rbd flatten \(spec) (or rbd trash rm \(inTrash))\(purge)"
    }
}
