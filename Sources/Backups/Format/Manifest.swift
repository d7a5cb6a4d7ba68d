internal import ExactText
internal import JSON
internal import OrderedCollections
public import Volumes

/// What is said of one backup; it needs no other one's manifest.
///
/// One JSON object on one line; its last member, `checksum`, is the SHA-256 of all bytes before `,"checksum":`.
public struct Manifest: Sendable {
    /// Whether the image was read from its beginning.
    public enum Kind: String, Sendable {
        /// All that is there was looked at.
        case full
        /// What has changed since another backup.
        case incremental
    }

    /// Its id, a UUID in lower case.
    public internal(set) var id: String
    /// The id of the chain of backups of this volume at this destination.
    var chain: String
    /// The volume.
    public internal(set) var volume: VolumeID
    /// The id of its image.
    public internal(set) var imageID: String
    /// The number of the snapshot that was read.
    var snapshotID: UInt64
    /// The image's size then, in bytes.
    public internal(set) var sizeBytes: UInt64
    /// When the snapshot was made, as the cluster writes it down: `2026-11-21T08:09:47.000120Z`.
    public internal(set) var created: String
    /// Whether all was read.
    public internal(set) var kind: Kind
    /// Why all was read, for a person; what was not is `nil`.
    public internal(set) var reason: String?
    /// The backup that it goes on from.
    public internal(set) var parent: String?
    /// The map's name.
    var map: Digest
    /// Bytes of the image that have changed, or were there.
    public internal(set) var changedBytes: UInt64
    /// Bytes that were read from Ceph.
    public internal(set) var readBytes: UInt64
    /// Bytes of the chunks that it added.
    public internal(set) var addedBytes: UInt64
    /// Bytes of the image that are not zeroes.
    public internal(set) var dataBytes: UInt64
    /// Bytes of all chunks that it needs.
    public internal(set) var storedBytes: UInt64
    /// What stood on the image.
    public internal(set) var metadata: [String: String]

    /// The name under which the volume was requested.
    public var name: String? { metadata[ImageMetadataKey.requestName] }

    /// The snapshot that it keeps on the image until the next one.
    var snapshot: String { BackupSnapshot.name(of: id) }

    private static let format = "nacre-backup-1"

    /// The document.
    var bytes: [UInt8] {
        func number(_ value: UInt64) -> JSONValue { .number(JSONNumber(value)) }
        var marks: JSONObject = [:]
        for (key, value) in metadata.sorted(by: { ExactText($0.key) < ExactText($1.key) }) {
            marks[name: key] = .string(value)
        }
        var members: [(String, JSONValue)] = [
            ("format", .string(Self.format)), ("id", .string(id)), ("chain", .string(chain)),
            ("volume", .string("\(volume)")), ("imageID", .string(imageID)), ("snapshotID", number(snapshotID)),
            ("sizeBytes", number(sizeBytes)), ("created", .string(created)), ("kind", .string(kind.rawValue)),
        ]
        if let reason { members.append(("reason", .string(reason))) }
        if let parent { members.append(("parent", .string(parent))) }
        members += [
            ("map", .string("\(map)")), ("changedBytes", number(changedBytes)), ("readBytes", number(readBytes)),
            ("addedBytes", number(addedBytes)), ("dataBytes", number(dataBytes)), ("storedBytes", number(storedBytes)),
            ("metadata", .object(marks)),
        ]
        return SignedDocument.bytes(members)
    }
}

extension Manifest {
    /// Reads a manifest, and checks it.
    init(parsing bytes: [UInt8]) throws(Damage) {
        let fields = try SignedDocument.fields(bytes)
        let format = try fields.text("format")
        guard format.isExactly(Self.format) else {
            throw Damage("it is of the format '\(format.printable)', which this release does not know")
        }
        guard let kind = Kind(rawValue: try fields.text("kind")) else { throw Damage("its 'kind' is none") }
        guard let map = Digest(parsing: try fields.text("map")) else { throw Damage("its 'map' is no SHA-256") }
        let id = try fields.text("id")
        guard ImageName.isUUID(id.utf8) else { throw Damage("its 'id' is no UUID") }
        guard let volume = try? VolumeID(parsing: fields.text("volume")) else {
            throw Damage("its 'volume' is no volume's handle")
        }
        self.init(
            id: id,
            chain: try fields.text("chain"),
            volume: volume,
            imageID: try fields.text("imageID"),
            snapshotID: try fields.number("snapshotID"),
            sizeBytes: try fields.number("sizeBytes"),
            created: try fields.text("created"),
            kind: kind,
            reason: fields.optional("reason"),
            parent: fields.optional("parent"),
            map: map,
            changedBytes: try fields.number("changedBytes"),
            readBytes: try fields.number("readBytes"),
            addedBytes: try fields.number("addedBytes"),
            dataBytes: try fields.number("dataBytes"),
            storedBytes: try fields.number("storedBytes"),
            metadata: try fields.texts("metadata")
        )
    }
}
