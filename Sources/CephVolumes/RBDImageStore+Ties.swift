internal import ExactText
internal import RBD
internal import Volumes

extension Place {
    /// Throws where Ceph would keep the image in the trash for ever: see `ImageTies`.
    func refuseIfTied(_ doing: String, _ imageID: String) async throws(VolumeError) {
        let ties = try await trying("read the snapshots of image") { () async throws(RBDError) in
            try await context.ties(ofImageID: imageID)
        }
        let image = id.imageSpec.shellWord
        guard let words = ties?.words(of: image, named: image) else { return }
        throw VolumeError(.failedPrecondition, "cannot \(doing) '\(id.imageSpec)': \(words)")
    }
}

extension ImageTies {
    /// What holds the image, and the commands that end it; nothing if nothing does.
    ///
    /// - Parameters:
    ///   - imageSpec: How `rbd children` is told the image: `pool/namespace/image` as a word of a shell.
    ///   - arguments: How `rbd snap purge` is told the image, such as `--pool rbd --image-id 1a2b`.
    /// - Returns: `it has the snapshots a, b; remove them first: rbd snap purge rbd/data`.
    func words(of imageSpec: String, named arguments: String) -> String? {
        var parts: [String] = []
        if let first = snapshots.first {
            let shown = snapshots.prefix(8).map(\.printable).joined(separator: ", ")
            let what = snapshots.count == 1 ? "snapshot \(first.printable)" : "snapshots \(shown)"
            let more = snapshots.count > 8 ? " and more" : ""
            // A purge ends at a protected one, so they come first.
            let at = imageSpec.startsExactly(with: "--") ? " --snap " : "@"
            let unprotect = protectedSnapshots.prefix(8).map { "rbd snap unprotect \(imageSpec)\(at)\($0.shellWord)" }
            let others = protectedSnapshots.count > 8 ? " (and so for the others that are protected)" : ""
            let protected = unprotect.isEmpty ? "" : "\(unprotect.joined(separator: "; "))\(others); then "
            parts.append(
                "it has the \(what)\(more); when nobody needs \(snapshots.count == 1 ? "it" : "them"): "
                    + "\(protected)rbd snap purge \(arguments)"
            )
        }
        if hasClones {
            parts.append(
                "clones need its deleted snapshots; rbd children --all \(imageSpec) shows them, rbd flatten frees it"
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
}
