internal import ExactText
internal import FoundationEssentials
internal import RBD

/// What stands beside an image that librbd makes for Nacre: who makes it, from what, and since when.
///
/// It is there from before the image is begun until the image has its marks, and as long as a volume may have a snapshot
/// that was taken for the clone. A kill leaves it, and it may be old when a person gives an image that name. So it proves
/// nothing by itself: see `Place.doubt`.
///
/// | key | value |
/// | --- | --- |
/// | `client.N` | what that client of Ceph has begun, as JSON: see `Maker` |
/// | `source.HANDLE` | the handle of a volume that gets a snapshot for the clone |
struct BegunMark: Sendable {
    /// Which of the two objects it is.
    enum Kind: String, Sendable {
        /// An empty image.
        case making = "nacre_making"
        /// A clone.
        case cloning = "nacre_cloning"

        /// The object's name.
        func object(_ image: String) -> String { "\(rawValue).\(image)" }

        /// For a person: what was killed.
        var word: String { self == .making ? "create" : "clone" }
    }

    /// A process that is about to have librbd make the image.
    struct Maker: Sendable {
        /// N of its `client.N`.
        let clientID: UInt64
        /// By the clock of an OSD, since 1970.
        let time: Duration
        /// The snapshot that it clones; nothing for an empty image.
        let parent: SnapshotAddress?
    }

    let kind: Kind
    /// Handles of volumes that may have a snapshot which is there for the clone alone.
    private(set) var sources: [String] = []
    /// By their numbers.
    private(set) var makers: [Maker] = []

    static func key(ofSource handle: String) -> String { "source.\(handle)" }

    /// Reads what stands there; what cannot be read proves nothing.
    init(_ kind: Kind, _ notes: [String: String]) {
        self.kind = kind
        for (key, text) in notes {
            if let handle = key.behind("source.") { sources.append(handle) }
            if let number = key.behind("client."), let maker = Maker(number, parsing: text) { makers.append(maker) }
        }
        sources = sources.sortedExactly()
        makers.sort { $0.clientID < $1.clientID }
    }

    /// The makers for whom librbd can have drawn an image's id: more than one where the id fits several.
    func makers(of imageID: String) -> [Maker] {
        makers.filter { ImageObject.isID(imageID, drawnFor: $0.clientID) }
    }
}

extension BegunMark.Maker {
    var key: String { "client.\(clientID)" }

    var text: String {
        var texts = ["time": "\(time.components.seconds)"]
        if let parent {
            texts["pool"] = "\(parent.poolID)"
            texts["namespace"] = parent.namespace
            texts["image"] = parent.imageID
            texts["snapshot"] = "\(parent.snapshotID)"
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(texts)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    fileprivate init?(_ number: String, parsing text: String) {
        guard let clientID = UInt64(number),
            let found = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8)),
            let seconds = found["time"].flatMap(Int64.init)
        else { return nil }
        var parent: SnapshotAddress?
        if let imageID = found["image"] {
            guard let poolID = found["pool"].flatMap(Int64.init),
                let snapshotID = found["snapshot"].flatMap(UInt64.init)
            else { return nil }
            parent = SnapshotAddress(
                poolID: poolID,
                namespace: found["namespace"] ?? "",
                imageID: imageID,
                snapshotID: snapshotID
            )
        }
        self.init(clientID: clientID, time: .seconds(seconds), parent: parent)
    }
}
