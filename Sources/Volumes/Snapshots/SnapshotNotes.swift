internal import ExactText
internal import FoundationEssentials

/// What stands on an image of one of its snapshots: a JSON object of texts, at most 1 KiB.
///
/// | key | what |
/// | --- | --- |
/// | `name` | the name under which it was requested |
/// | `source` | the handle of the volume that it was taken of |
/// | `format` | the image's `nacre.io/format` just before it was taken; absent where it had none |
/// | `target` | of a snapshot that is there to clone a volume: the handle of the volume that is made |
/// | any other | what was noted with the create |
public struct SnapshotNotes: Sendable, Hashable {
    /// The longest text, in bytes.
    public static let longestBytes = 1024

    /// The name under which it was requested.
    public var name: String
    /// The handle of the volume that it was taken of.
    public var source: String
    /// What the image said of its file system just before.
    public var format: String?
    /// The handle of the volume that is made from it, where it is there for that alone.
    public var target: String?
    /// What was noted with the create.
    public var others: [String: String]

    private enum Key {
        static let name = "name"
        static let source = "source"
        static let format = "format"
        static let target = "target"
        static let all = [name, source, format, target]
    }

    /// Describes a snapshot.
    public init(
        name: String,
        source: String,
        format: String? = nil,
        target: String? = nil,
        others: [String: String] = [:]
    ) {
        self.name = name
        self.source = source
        self.format = format
        self.target = target
        self.others = others.filter { !Key.all.contains($0.key) }
    }

    /// Reads a record; `nil` if it is none.
    public init?(parsing text: String) {
        guard let found = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8)),
            let name = found[Key.name], let source = found[Key.source]
        else { return nil }
        self.init(
            name: name,
            source: source,
            format: found[Key.format],
            target: found[Key.target],
            others: found
        )
    }

    /// As it stands on the image.
    public var text: String {
        var all = others
        all[Key.name] = name
        all[Key.source] = source
        all[Key.format] = format
        all[Key.target] = target
        return JSONObject.text(of: all)
    }
}

/// What an image says that is kept for its snapshots: a JSON object of texts.
///
/// It counts only on the image that it was written for, whose name it has.
public struct KeptMark: Sendable, Hashable {
    /// What the names of such images begin with; the image's id follows.
    public static let namePrefix = "csi-kept-"

    /// The name of an image that is kept.
    public static func name(ofImageID id: String) -> String { "\(namePrefix)\(id)" }

    /// The handle of the volume that was deleted.
    public let volume: String
    /// The image that it is for, `pool/csi-kept-ID`.
    public let image: String
    /// When it was deleted, in seconds since 1970.
    public let deletedAt: Int64
    /// By which user of Ceph.
    public let user: String

    /// Describes a deletion.
    public init(volume: String, image: String, deletedAt: Int64, user: String) {
        self.volume = volume
        self.image = image
        self.deletedAt = deletedAt
        self.user = user
    }

    /// Reads a mark; `nil` if it is none.
    public init?(parsing text: String?) {
        guard let text, let found = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8)),
            let volume = found["volume"], let image = found["image"], let time = found["deleted"].flatMap(Int64.init)
        else { return nil }
        self.init(volume: volume, image: image, deletedAt: time, user: found["user"] ?? "")
    }

    /// As it stands on the image.
    public var text: String {
        JSONObject.text(of: ["volume": volume, "image": image, "deleted": "\(deletedAt)", "user": user])
    }

    /// Whether an image is one that is kept.
    ///
    /// - Parameters:
    ///   - marks: Nacre's metadata of it.
    ///   - id: Its place.
    /// - Returns: The mark, if it is that image's own.
    public static func of(_ marks: [String: String], _ id: VolumeID) -> KeptMark? {
        guard id.image.startsExactly(with: namePrefix), let mark = KeptMark(parsing: marks[ImageMetadataKey.kept]),
            mark.image.isExactly(id.imageSpec)
        else { return nil }
        return mark
    }
}

private enum JSONObject {
    static func text(of texts: [String: String]) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(texts)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
