internal import CephVolumes
internal import ExactText
internal import JSON
internal import OrderedCollections
internal import RBD
internal import Volumes

/// The mark on an image that a backup is being restored into: which one, and how far it came.
struct RestoringMark: Sendable, Equatable {
    var backup: String
    /// So many of its windows, from the second on, are written for sure.
    var windows: Int

    var text: String {
        var members: JSONObject = [:]
        members[name: "backup"] = .string(backup)
        members[name: "windows"] = .number(JSONNumber(windows))
        return String(decoding: JSONValue.object(members).bytes, as: UTF8.self)
    }

    init(backup: String, windows: Int) {
        self.backup = backup
        self.windows = windows
    }

    init?(parsing text: String) {
        guard let fields = try? Fields(parsing: Array(text.utf8)), let backup = fields.optional("backup"),
            let windows = try? fields.number("windows"), let count = Int(exactly: windows)
        else { return nil }
        self.init(backup: backup, windows: count)
    }
}

/// The image that a backup is being restored into.
struct RestoredImage: Sendable {
    let image: ImageAccess
    let imageID: String
    let backup: Manifest

    /// Finds the image, and makes sure that nothing on it can be lost.
    ///
    /// - Returns: It, with its mark.
    /// - Throws: `VolumeError` with `.alreadyExists` for an image that holds anything else.
    static func prepare(
        _ image: ImageAccess,
        for backup: Manifest
    ) async throws(VolumeError) -> RestoredImage {
        let id = try await image.trying("look up image") { (context) async throws(RBDError) in
            try await context.imageID(named: image.id.image)
        }
        guard let id else { throw VolumeError(.notFound, "there is no image '\(image.id.imageSpec)' to restore into") }
        let restored = RestoredImage(image: image, imageID: id, backup: backup)
        let marks = try await image.trying("read the marks of image") { (context) async throws(RBDError) in
            try await context.metadata(ofImageID: id, prefix: ImageMetadataKey.prefix)
        }
        if let text = marks?[ImageMetadataKey.restoring] {
            guard let mark = RestoringMark(parsing: text), mark.backup.isExactly(backup.id) else {
                throw VolumeError(
                    .alreadyExists,
                    "image '\(image.id.imageSpec)' is half restored from another backup: \(text.printable); finish that, or delete "
                        + "the volume"
                )
            }
            return restored
        }
        try await restored.requireBlank()
        let mark = RestoringMark(backup: backup.id, windows: 0)
        try await restored.write(mark, isFirst: true)
        return restored
    }

    /// How far it came, once nobody else can write to the image: another restore may have ended meanwhile, and the volume may
    /// be in use.
    func presentMark() async throws(VolumeError) -> RestoringMark {
        let id = imageID
        let marks = try await image.trying("read the marks of image") { (context) async throws(RBDError) in
            try await context.metadata(ofImageID: id, prefix: ImageMetadataKey.prefix)
        }
        guard let text = marks?[ImageMetadataKey.restoring], let mark = RestoringMark(parsing: text),
            mark.backup.isExactly(backup.id)
        else {
            throw VolumeError(
                .aborted,
                "another nacre has restored into image '\(image.id.imageSpec)' meanwhile; nothing was written to it"
            )
        }
        return mark
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

    /// Writes down how far it came; the first time also that a node must not format what comes.
    func write(_ mark: RestoringMark, isFirst: Bool = false) async throws(VolumeError) {
        let id = imageID
        var marks = [ImageMetadataKey.restoring: mark.text]
        if isFirst { marks[ImageMetadataKey.format] = formatMark }
        let values = marks
        try await image.trying("mark image") { (context) async throws(RBDError) in
            try await context.setMetadata(values, ofImageID: id)
        }
    }

    /// The mark of the file system that is on the backup, if one was made.
    private var formatMark: String? {
        backup.metadata[ImageMetadataKey.format].flatMap { $0.startsExactly(with: "formatted ") ? $0 : nil }
    }

    /// Says that it is done.
    func removeMark() async throws(VolumeError) {
        let id = imageID
        try await image.trying("mark image") { (context) async throws(RBDError) in
            try await context.removeMetadata(ImageMetadataKey.restoring, ofImageID: id)
        }
    }
}
