internal import ExactText

/// Whose an image is, by its marks and its place.
///
/// `rbd cp`, `rbd deep cp`, `rbd clone` and `rbd export` with metadata copy the marks of an image too. So a mark counts only
/// on the image that it was written for: each names it. Names are compared, not ids, because an image that is mirrored,
/// migrated or put back under its name has another id.
public enum ImageOrigin: Sendable, Hashable {
    /// Nacre made it.
    case made
    /// Another program made it, and a person let Nacre have it.
    case adopted
    /// It carries the marks of another image, of which it is a copy, or which it was before it was renamed.
    case copied
    /// Another program's.
    case foreign

    /// Judges an image.
    ///
    /// - Parameters:
    ///   - marks: Nacre's metadata of it.
    ///   - id: Its place.
    public init(_ marks: [String: String], of id: VolumeID) {
        let adopted = marks[ImageMetadataKey.adopted]
        guard adopted?.isExactly(id.imageSpec) != true else {
            self = .adopted
            return
        }
        guard let request = marks[ImageMetadataKey.requestName] else {
            self = adopted == nil ? .foreign : .copied
            return
        }
        let isHere =
            if let made = marks[ImageMetadataKey.image] {
                made.isExactly(id.imageSpec)
            } else {
                ImageName.isMade(id.image, forRequest: request)
            }
        self = isHere ? .made : .copied
    }

    /// Whether Nacre may change it.
    public var isOurs: Bool { self == .made || self == .adopted }

    /// The name under which the image's own volume was requested; `nil` where its marks name another image's volume, or none.
    ///
    /// - Parameters:
    ///   - marks: Nacre's metadata of it.
    ///   - id: Its place.
    /// - Returns: The name.
    public static func requestName(_ marks: [String: String], of id: VolumeID) -> String? {
        // A person may let Nacre have a copy, too, which keeps the marks of what it was copied from.
        let own = marks.filter { !$0.key.isExactly(ImageMetadataKey.adopted) }
        return ImageOrigin(own, of: id) == .made ? own[ImageMetadataKey.requestName] : nil
    }
}
