internal import ExactText

/// What a create asks for, beside what Nacre's image that it finds was made with.
///
/// A repeated create changes nothing that stands on the image. It adds what is missing, because the first was killed
/// before it had written all, or an earlier release wrote less, and it is refused where it asks for something else.
///
/// Retention and size factor are the image's own once it is made: a person may change them there. They refuse nothing; the
/// answer says what the volume has.
struct RepeatedCreate: Sendable {
    /// The image.
    let id: VolumeID
    /// What the create would write on a new image.
    let wanted: [String: String]
    /// What stands on the image that is there; it is Nacre's.
    let present: [String: String]

    /// The name of the image's volume; an adopted image has none, and a copy that was adopted has that of another.
    private var requestName: String? { ImageOrigin.requestName(present, of: id) }

    /// Whether the first create has not named the volume yet.
    ///
    /// Another operation that comes before the create is repeated names it after its image; see `Place.requireOurs`.
    private var isUnnamed: Bool {
        requestName?.isExactly(id.image) == true && present[ImageMetadataKey.adopted] == nil
    }

    /// Whether all was written: this release always writes the node's parameters, if only `{}`.
    private var isWhole: Bool { !isUnnamed && present[ImageMetadataKey.nodeParameters] != nil }

    /// What differs, for a person, after `volume 'x'`; nothing when the create asks for what there is.
    var difference: String? {
        guard let name = wanted[ImageMetadataKey.requestName] else { return nil }
        let remedy = "ask for what it was made with, or choose another name"
        // An image without a name was made empty: a clone gets its name and its source at once.
        guard !isUnnamed else { return sourceDifference.map { "exists, but \($0); \(remedy)" } }
        guard let made = requestName else {
            return
                "cannot be made: its image '\(id.image)' holds what another program put there, and was given to nacre "
                + "(\(ImageMetadataKey.adopted)); use that by its volume id, or choose another name"
        }
        guard made.isExactly(name) else {
            return
                "cannot be made: another volume, '\(made.printable)', has the image '\(id.image)', to which both names "
                + "lead; choose another name"
        }
        guard let reason = sourceDifference ?? useDifference ?? parameterDifference else { return nil }
        return "exists, but \(reason); \(remedy)"
    }

    /// What the image lacks.
    var missing: [String: String] {
        wanted.filter { key, _ in
            switch key {
            // Written again for an image of an earlier release, too: its place goes with the name.
            case ImageMetadataKey.requestName: isUnnamed || present[ImageMetadataKey.image] == nil
            // Every release that knows it has written it: without it, nobody asked for it, or a person took it away.
            case ImageMetadataKey.trashRetention: isUnnamed && present[key] == nil
            // What was left open when all was written stays so.
            case ImageMetadataKey.poolSizeFactor, ImageMetadataKey.fileSystem: !isWhole && present[key] == nil
            default: present[key] == nil
            }
        }
    }

    /// The parameters that stand on the image and that a create does not change, as a class gives them.
    ///
    /// - Parameter asked: The parameters that the create gives.
    /// - Returns: `asked` with what the volume has in place of them.
    func kept(_ asked: [String: String]) -> [String: String] {
        let result = present.merging(missing) { $1 }
        var kept = asked
        for (parameter, key) in ParameterKey.imagesOwn {
            // As it was asked for, where that means the same.
            kept[parameter.rawValue] = result[key].map { made in
                let made = Self.usual(made, parameter)
                let given = asked[parameter.rawValue]
                return given.map { Self.usual($0, parameter).isExactly(made) } == true ? given ?? made : made
            }
        }
        return kept
    }

    /// One text for all that mean the same: `7d` for `604800`.
    private static func usual(_ text: String, _ parameter: ParameterKey) -> String {
        let read =
            parameter == .trashRetention ? TrashRetention(parsing: text)?.description : UInt64(text).map { "\($0)" }
        return read ?? text
    }

    private var sourceDifference: String? {
        let key = ImageMetadataKey.source
        guard wanted[key].map(ExactText.init) != present[key].map(ExactText.init) else { return nil }
        let words = { (handle: String?) in handle.map { "from '\($0.printable)'" } ?? "empty" }
        return "it was made \(words(present[key])), not \(words(wanted[key]))"
    }

    private var useDifference: String? {
        guard let asked = wanted[ImageMetadataKey.fileSystem] else { return nil }
        if let made = VolumeFacts(metadata: present).fileSystem {
            return made.isExactly(asked) ? nil : "it was made for \(made.printable), not for \(asked)"
        }
        // Left open, it is what a node takes.
        let usual = MountAccess().fileSystem
        guard isWhole, !usual.isExactly(asked) else { return nil }
        return "no file system was named when it was made, so it is for \(usual), not for \(asked)"
    }

    private var parameterDifference: String? {
        guard let made = present[ImageMetadataKey.nodeParameters] else { return nil }
        let parameters = NodeParameters.parameters(in: made)
        let asked = NodeParameters.parameters(in: wanted[ImageMetadataKey.nodeParameters])
        for key in NodeParameters.keys.map(\.rawValue) {
            if let reason = Self.difference(key, parameters[key], asked[key]) { return reason }
        }
        return nil
    }

    private static func difference(_ key: String, _ made: String?, _ asked: String?) -> String? {
        guard made.map(ExactText.init) != asked.map(ExactText.init) else { return nil }
        let words = { (value: String?) in value.map { "with \(key) '\($0.printable)'" } ?? "without \(key)" }
        return "it was made \(words(made)), not \(words(asked))"
    }
}
