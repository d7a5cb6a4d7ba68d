internal import CephVolumes
internal import ExactText
internal import JSON
internal import OrderedCollections
internal import RBD
internal import SystemPackage
internal import Volumes

/// The mark on an image that a backup is being restored into: which one, and how far it came.
struct RestoringMark: Sendable, Equatable {
    var backup: String
    /// So many of its windows, from the second on, are written for sure.
    var windows: Int
    /// The run that writes: whoever goes on puts its own here, and the former one stops.
    var run: String

    var text: String {
        var members: JSONObject = [:]
        members[name: "backup"] = .string(backup)
        members[name: "windows"] = .number(JSONNumber(windows))
        members[name: "run"] = .string(run)
        return String(decoding: JSONValue.object(members).bytes, as: UTF8.self)
    }

    init(backup: String, windows: Int, run: String) {
        self.backup = backup
        self.windows = windows
        self.run = run
    }

    /// The same run, further on.
    func with(windows: Int) -> RestoringMark { RestoringMark(backup: backup, windows: windows, run: run) }

    init?(parsing text: String) {
        guard let fields = try? Fields(parsing: Array(text.utf8)), let backup = fields.optional("backup"),
            let windows = try? fields.number("windows"), let count = Int(exactly: windows)
        else { return nil }
        self.init(backup: backup, windows: count, run: fields.optional("run") ?? "")
    }
}

/// The image that a backup is being restored into.
struct RestoredImage: Sendable {
    let image: ImageAccess
    let imageID: String
    let backup: Manifest

    /// Finds the image, and looks whether anything on it could be lost; it is looked again by `begin`.
    ///
    /// - Returns: It.
    /// - Throws: `VolumeError` with `.alreadyExists` for an image that holds anything else.
    static func find(
        _ image: ImageAccess,
        for backup: Manifest
    ) async throws(VolumeError) -> RestoredImage {
        let id = try await image.trying("look up image") { (context) async throws(RBDError) in
            try await context.imageID(named: image.id.image)
        }
        guard let id else { throw VolumeError(.notFound, "there is no image '\(image.id.imageSpec)' to restore into") }
        let restored = RestoredImage(image: image, imageID: id, backup: backup)
        if try await restored.presentMark() == nil { try await restored.requireBlank() }
        return restored
    }

    /// Opens it for writing, as the only one who may: an image with the feature exclusive-lock is locked.
    func openAlone() async throws(VolumeError) -> Image {
        let id = imageID
        let open = try await image.blocking("open image") { (context) throws(RBDError) -> Image? in
            let open = try Image.open(id: id, in: context, access: .readWrite)
            do throws(RBDError) {
                try open.keepExclusiveLock()
            } catch {
                // An image without the feature has no lock; the mark tells two restores apart.
                if error.code == .invalidArgument || error.code == .notSupported { return open }
                open.close()
                guard error.code == .readOnlyFileSystem || error.code == .resourceBusy else { throw error }
                return nil
            }
            return open
        }
        guard let open else {
            throw VolumeError(
                .aborted,
                "image '\(image.id.imageSpec)' is written to by another client, as by another nacre backup restore; nothing was "
                    + "written; wait for its end, then repeat the command"
            )
        }
        return open
    }

    /// Makes the mark this run's, once nobody else can write to the image.
    ///
    /// It is looked once more whether the image is blank: since `find`, another restore may have ended, and the volume may
    /// be in use.
    ///
    /// - Returns: The mark: how far an earlier run came.
    /// - Throws: `VolumeError`; nothing was written then.
    func begin() async throws(VolumeError) -> RestoringMark {
        let present = try await presentMark()
        if present == nil { try await requireBlank() }
        let mark = RestoringMark(
            backup: backup.id,
            windows: present?.mark.windows ?? 0,
            run: BackupCreation.newID()
        )
        try await replace(present?.text, with: mark.text)
        // A node must not format what comes.
        if let formatMark {
            let id = imageID
            try await image.trying("mark image") { (context) async throws(RBDError) in
                try await context.setMetadata([ImageMetadataKey.format: formatMark], ofImageID: id)
            }
        }
        return mark
    }

    /// The mark of a restore of this backup, if one was begun.
    private func presentMark() async throws(VolumeError) -> (mark: RestoringMark, text: String)? {
        let id = imageID
        let marks = try await image.trying("read the marks of image") { (context) async throws(RBDError) in
            try await context.metadata(ofImageID: id, prefix: ImageMetadataKey.prefix)
        }
        guard let text = marks?[ImageMetadataKey.restoring] else { return nil }
        guard let mark = RestoringMark(parsing: text), mark.backup.isExactly(backup.id) else {
            throw VolumeError(
                .alreadyExists,
                "image '\(image.id.imageSpec)' is half restored from another backup: \(text.printable); finish that, or delete "
                    + "the volume"
            )
        }
        return (mark, text)
    }

    /// Throws unless the image is large enough, and none of its objects exists.
    private func requireBlank() async throws(VolumeError) {
        let id = imageID
        let (size, holds) = try await image.blocking("look into image") { (context) throws(RBDError) in
            let open = try Image.open(id: id, in: context, access: .readOnly)
            defer { open.close() }
            let size = try open.sizeBytes()
            return (size, try open.holdsObjects(in: 0..<size))
        }
        guard holds == false else {
            throw VolumeError(
                .alreadyExists,
                "image '\(image.id.imageSpec)' "
                    + (holds == nil
                        ? "may hold data, which cannot be told without an object map" : "holds data already")
                    + ", and nothing is restored over it; give another name"
            )
        }
        guard size >= backup.sizeBytes else {
            throw VolumeError(
                .outOfRange,
                "image '\(image.id.imageSpec)' has \(size) bytes, and backup \(backup.id) needs \(backup.sizeBytes); restore "
                    + "into a larger volume"
            )
        }
    }

    /// Writes down how far this run came, or with `nil` that it is done.
    func replace(_ mark: RestoringMark, with next: RestoringMark?) async throws(VolumeError) {
        try await replace(mark.text, with: next?.text)
    }

    private func replace(_ present: String?, with text: String?) async throws(VolumeError) {
        let id = imageID
        let isReplaced = try await image.blocking("mark image") { (context) throws(RBDError) in
            try context.replaceMetadata(ImageMetadataKey.restoring, present, with: text, ofImageID: id)
        }
        guard isReplaced else {
            throw VolumeError(
                .aborted,
                "another nacre restores into image '\(image.id.imageSpec)', so this one stopped; wait for its end"
            )
        }
    }

    /// The mark of the file system that is on the backup, if one was made.
    private var formatMark: String? {
        backup.metadata[ImageMetadataKey.format].flatMap { $0.startsExactly(with: "formatted ") ? $0 : nil }
    }
}
