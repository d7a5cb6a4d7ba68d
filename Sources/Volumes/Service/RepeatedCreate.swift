internal import ExactText

/// What a create asks for, beside what the image that it finds was made with.
///
/// A repeated create changes nothing that stands on the image. It adds what is missing, because the first was killed
/// before it had written all, or an earlier release wrote less, and it is refused where it asks for something else.
struct RepeatedCreate: Sendable {
    /// The image's name.
    let image: String
    /// What the create would write on a new image.
    let wanted: [String: String]
    /// What stands on the image that is there.
    let present: [String: String]

    /// Whether the first create has not named the volume yet.
    ///
    /// Another operation that comes before the create is repeated names it after its image; see `Place.requireOurs`.
    private var isUnnamed: Bool {
        (present[ImageMetadataKey.requestName]?.isExactly(image) ?? true) && present[ImageMetadataKey.adopted] == nil
    }

    /// Whether what is missing was not asked for: this release always writes the node's parameters, if only `{}`.
    private var isWhole: Bool { !isUnnamed && present[ImageMetadataKey.nodeParameters] != nil }

    /// What differs, for a person, after `volume 'x'`; nothing when the create asks for what there is.
    var difference: String? {
        guard let name = wanted[ImageMetadataKey.requestName], !isUnnamed else { return nil }
        guard let made = present[ImageMetadataKey.requestName] else {
            return "cannot be made: its image '\(image)' holds what another program put there, and was given to nacre "
                + "(\(ImageMetadataKey.adopted)); use that by its volume id, or choose another name"
        }
        guard made.isExactly(name) else {
            return "cannot be made: another volume, '\(made.printable)', has the image '\(image)', to which both names "
                + "lead; choose another name"
        }
        guard let reason = useDifference ?? parameterDifference else { return nil }
        return "exists, but \(reason); ask for what it was made with, or choose another name"
    }

    /// What the image lacks.
    var missing: [String: String] {
        wanted.filter { key, _ in
            guard key != ImageMetadataKey.requestName else { return isUnnamed }
            return present[key] == nil
        }
    }

    private var useDifference: String? {
        guard let asked = wanted[ImageMetadataKey.fileSystem] else { return nil }
        // Left open, it is what a node takes.
        let made = VolumeFacts(metadata: present).fileSystem ?? (isWhole ? MountAccess().fileSystem : nil)
        guard let made, !made.isExactly(asked) else { return nil }
        return "it was made for \(made.printable), not for \(asked)"
    }

    private var parameterDifference: String? {
        if let made = present[ImageMetadataKey.nodeParameters] {
            let made = NodeParameters.parameters(in: made)
            let asked = NodeParameters.parameters(in: wanted[ImageMetadataKey.nodeParameters])
            for key in NodeParameters.keys.map(\.rawValue) {
                if let reason = Self.difference(key, made[key], asked[key]) { return reason }
            }
        }
        // Every release that knows this one has written it, so without it nobody asked for it.
        let retention = { (metadata: [String: String]) in
            metadata[ImageMetadataKey.trashRetention].map { TrashRetention(parsing: $0)?.description ?? $0 }
        }
        let difference = Self.difference(
            ParameterKey.trashRetention.rawValue,
            retention(present),
            retention(wanted)
        )
        if let difference { return difference }
        let key = ImageMetadataKey.poolSizeFactor
        guard isWhole || present[key] != nil else { return nil }
        return Self.difference(ParameterKey.poolSizeFactor.rawValue, present[key], wanted[key])
    }

    private static func difference(_ key: String, _ made: String?, _ asked: String?) -> String? {
        guard made.map(ExactText.init) != asked.map(ExactText.init) else { return nil }
        let words = { (value: String?) in value.map { "with \(key) '\($0.printable)'" } ?? "without \(key)" }
        return "it was made \(words(made)), not \(words(asked))"
    }
}
