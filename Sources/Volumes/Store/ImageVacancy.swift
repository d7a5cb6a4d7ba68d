/// What a store saw of the place where an image is to be, just before it makes the image there.
public struct ImageVacancy: Sendable, Hashable {
    /// Whether the pool and the name allow an image to be made in the store's short way.
    public let isPlain: Bool

    /// Describes a place.
    public init(isPlain: Bool) {
        self.isPlain = isPlain
    }
}
