internal import ExactText
internal import RADOS
internal import RBD
internal import SystemPackage
internal import Volumes

/// The marks of images that librbd makes for Nacre, and the proof that an image is what such a making left.
extension Place {
    /// Records that this process has librbd make the image, before it does.
    ///
    /// - Parameters:
    ///   - kind: How it is made.
    ///   - parent: The snapshot that it is a clone of.
    /// - Throws: `VolumeError`.
    func begin(_ kind: BegunMark.Kind, of parent: SnapshotAddress? = nil) async throws(VolumeError) {
        let notes = MakerNotes(kind.object(id.image))
        // Another process that ends the same at this moment may take the object away.
        for _ in 0..<3 {
            let time = try await trying("\(kind.word) image") { () async throws(RBDError) in
                try await context.storageTime(by: notes)
            }
            guard let time else { continue }
            let maker = BegunMark.Maker(clientID: context.cluster.instanceID, time: time, parent: parent)
            return try await trying("\(kind.word) image") { () async throws(RBDError) in
                try await context.write(notes, maker.key, maker.text)
            }
        }
        throw VolumeError(
            .aborted,
            "cannot \(kind.word) image '\(id.imageSpec)': another process works on it; retry later"
        )
    }

    /// Records that a volume gets a snapshot for the image alone, before it does.
    func beginCloning(ofVolume handle: String) async throws(VolumeError) {
        let notes = MakerNotes(BegunMark.Kind.cloning.object(id.image))
        try await trying("clone image") { () async throws(RBDError) in
            try await context.write(notes, BegunMark.key(ofSource: handle), handle)
        }
    }

    /// Records that the image is made and marked, or does not exist.
    func end(_ kind: BegunMark.Kind) async throws(VolumeError) {
        try await trying("\(kind.word) image") { () async throws(RBDError) in
            do throws(RADOSError) {
                try await context.remove(kind.object(id.image))
            } catch {
                throw RBDError(error)
            }
        }
    }

    /// Whether the image is being made, or its maker was killed, or left the mark.
    func isBegun(_ kind: BegunMark.Kind) async throws(VolumeError) -> Bool {
        try await trying("look up image") { () async throws(RBDError) in
            do throws(RADOSError) {
                return try await context.sizeBytes(of: kind.object(id.image)) != nil
            } catch {
                throw RBDError(error)
            }
        }
    }

    /// What stands beside the image; `nil` for no mark.
    func begun(_ kind: BegunMark.Kind) async throws(VolumeError) -> BegunMark? {
        try await trying("look up image") { () async throws(RBDError) in
            try await context.texts(of: MakerNotes(kind.object(id.image))).map { BegunMark(kind, $0) }
        }
    }

    /// Why an image need not be what a killed maker left; nothing if it is.
    ///
    /// It is if it can be what one of the makers left whom its id fits. Whether it has data is not asked here.
    ///
    /// - Parameters:
    ///   - imageID: The image's id.
    ///   - mark: What stands beside the image.
    /// - Returns: A reason for a person, behind the word `for`.
    /// - Throws: `VolumeError`.
    func doubt(_ imageID: String, _ mark: BegunMark) async throws(VolumeError) -> String? {
        let makers = mark.makers(of: imageID)
        guard !makers.isEmpty else {
            return "its id, \(imageID.printable), is not one that librbd drew for a client which the mark names"
        }
        let (beginning, snapshots, metadata) = try await trying("look at image") {
            () async throws(RBDError) -> (ImageBeginning?, [ImageSnapshot]?, [String: String]?) in
            async let snapshots = caught { () async throws(RBDError) in try await context.snapshots(ofImageID: imageID)
            }
            async let metadata = caught { () async throws(RBDError) in
                try await context.allMetadata(ofImageID: imageID, prefix: "")
            }
            let beginning = try await context.beginning(ofImageID: imageID)
            return (beginning, try await snapshots.get(), try await metadata.get())
        }
        guard let beginning, let snapshots, let metadata else { return "its header is gone" }
        if let snapshot = snapshots.first(where: { $0.kind != .mirror }) {
            return "it has a snapshot, '\(snapshot.name.printable)'"
        }
        let foreign = metadata.keys.filter { key in
            !ImageMetadataKey.ownPrefixes.contains { key.startsExactly(with: $0) }
        }
        var first: String?
        for maker in makers {
            guard let doubt = try await doubt(beginning, foreign, mark.kind, maker) else { return nil }
            first = first ?? doubt
        }
        return first
    }

    /// Why an image need not be what that maker left.
    private func doubt(
        _ beginning: ImageBeginning,
        _ metadata: [String],
        _ kind: BegunMark.Kind,
        _ maker: BegunMark.Maker
    ) async throws(VolumeError) -> String? {
        guard beginning.created + Self.widestClocks >= maker.time else { return "it is older than the mark" }
        guard beginning.parent == nil || beginning.parent == maker.parent else {
            return kind == .making ? "it is a clone" : "it is a clone of another snapshot"
        }
        var foreign = metadata
        if !foreign.isEmpty, let parent = maker.parent, let there = try await self.metadata(of: parent) {
            foreign.removeAll { there[$0] != nil }
        }
        return foreign.sortedExactly().first.map { "it has the metadata '\($0.printable)', which no maker gave it" }
    }

    /// The refusal of an image that has a mark beside it, and that need not be what the mark is of.
    func unproven(_ doing: String, _ mark: BegunMark, _ doubt: String) -> VolumeError {
        let (spec, word) = (id.imageSpec.shellWord, mark.kind.word)
        let place = "-p \(id.pool.shellWord)" + (id.namespace.isEmpty ? "" : " -N \(id.namespace.shellWord)")
        return VolumeError(
            .failedPrecondition,
            "cannot \(doing) '\(id.imageSpec)': a \(word) of that name was killed and left its mark, but it cannot be proven "
                + "that this image is what it left, for \(doubt); nothing was changed; if the image is needed, give it "
                + "another name: rbd rename \(spec) NEW-NAME; if it is to keep that name, remove the mark: rados \(place) rm "
                + "\(mark.kind.object(id.image).shellWord)"
        )
    }

    /// The metadata of a clone's source, of which librbd gave it a copy; nothing where it cannot be read.
    private func metadata(of parent: SnapshotAddress) async throws(VolumeError) -> [String: String]? {
        let doing = "look up the source of image"
        let pool = try await blocking(doing) { (context) throws(RBDError) -> IOContext? in
            do throws(RADOSError) {
                let pool = try context.cluster.poolName(id: parent.poolID)
                return try context.cluster.ioContext(pool: pool, namespace: parent.namespace)
            } catch {
                guard error.isNotFound else { throw RBDError(error) }
                return nil
            }
        }
        guard let pool else { return nil }
        return try await trying(doing) { () async throws(RBDError) in
            do throws(RBDError) {
                return try await pool.allMetadata(ofImageID: parent.imageID, prefix: "")
            } catch {
                guard error.code == .notPermitted || error.code == .permissionDenied else { throw error }
                return nil
            }
        }
    }

    /// How far the clocks of two OSDs may be apart.
    private static let widestClocks = Duration.seconds(60)
}
