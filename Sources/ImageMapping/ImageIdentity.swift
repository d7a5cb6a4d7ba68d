/// An image itself, whatever its name: a renamed image keeps it, and the next image of that name has another one.
public struct ImageIdentity: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The pool's number, as in `ceph osd pool ls detail`: a pool that is made anew under its name has another one.
    public let poolID: Int64
    /// The image's id, as in `rbd info`.
    public let imageID: String

    /// Puts it together.
    public init(poolID: Int64, imageID: String) {
        self.poolID = poolID
        self.imageID = imageID
    }

    /// `id 5e2a91c0b7d1 in pool 3`.
    public var description: String { "id \(imageID) in pool \(poolID)" }
}

/// What has become of the name of an image that is mapped.
public struct ImageWhereabouts: Sendable, Hashable, Codable {
    /// The image that is mapped.
    public let mapped: ImageIdentity
    /// The image that has the name now; nothing when none has.
    public let named: ImageIdentity?
    /// What the image that is mapped is called now, `pool/image`; nothing when it has its name, or that cannot be told.
    public let presentName: String?

    /// Puts it together.
    public init(mapped: ImageIdentity, named: ImageIdentity?, presentName: String? = nil) {
        self.mapped = mapped
        self.named = named
        self.presentName = presentName
    }

    /// Whether the image that is mapped has its name.
    public var isSame: Bool { mapped == named }

    /// What is wrong, for a sentence of its own: which image is in use and which has the name.
    ///
    /// - Parameter image: The image, by the name that it was mapped by.
    /// - Returns: The words; `nil` if the image has its name.
    public func change(of image: ImageAddress) -> String? {
        guard !isSame else { return nil }
        let whereIsIt = presentName.map { "is '\($0)' now" } ?? "has no name that can be told now"
        let mapped = "the image that this node has in use as '\(image)' (\(mapped)) \(whereIsIt)"
        guard let named else { return "\(mapped), and no image is named '\(image)'" }
        return "\(mapped); the image that is named '\(image)' now (\(named)) is another one"
    }

    /// Refuses to go on with an image that has lost its name.
    ///
    /// - Parameters:
    ///   - what: What cannot be done: `map image pool/name`.
    ///   - image: The image, by the name that it was mapped by.
    /// - Throws: `MappingError` of kind `.replaced`.
    package func refuseChange(_ what: String, of image: ImageAddress) throws(MappingError) {
        guard let change = change(of: image) else { return }
        throw MappingError(
            .replaced,
            "cannot \(what): \(change); nothing was changed; end the use on this node first: stop the pods, so that the "
                + "volume is unpublished and unstaged, or nacre volume unmount or unmap; that leaves the other image alone"
        )
    }
}
