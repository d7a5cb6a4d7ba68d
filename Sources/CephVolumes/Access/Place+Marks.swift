internal import ExactText
internal import RBD
internal import Volumes

/// The marks of Nacre's images; an image without one, or with those of another image, is never changed.
///
/// A plain image gets its marks together with its header. An image that librbd creates gets them a moment later. An
/// object `nacre_making.NAME` exists from before the create until then, so that a kill in between leaves no image
/// without an owner: see `BegunMark`.
extension Place {
    /// Nacre's own metadata of the image; `nil` if it has no header.
    func marks(_ imageID: String) async throws(VolumeError) -> [String: String]? {
        try await trying("read the marks of image") { () async throws(RBDError) in
            try await context.metadata(ofImageID: imageID, prefix: ImageMetadataKey.prefix)
        }
    }

    /// Throws unless the image is Nacre's.
    ///
    /// - Parameters:
    ///   - doing: What is refused: `delete image`.
    ///   - imageID: The image's id.
    ///   - marks: Nacre's metadata of it.
    /// - Throws: `VolumeError` with `.failedPrecondition` that says what the image is.
    func requireOurs(_ doing: String, _ imageID: String, _ marks: [String: String]) async throws(VolumeError) {
        let origin = ImageOrigin(marks, of: id)
        guard !origin.isOurs else { return }
        guard origin == .foreign, let mark = try await begun(.making) else {
            throw try await notOurs(doing, imageID, marks)
        }
        if let doubt = try await doubt(imageID, mark) { throw unproven(doing, mark, doubt) }
        let look = try await trying("look for data of image") { () async throws(RBDError) in
            let pools = try await context.poolsOfData(ofImageID: imageID, named: id.image)
            return try await context.data(ofHeaderless: imageID, in: pools)
        }
        if let data = look.data { throw unproven(doing, mark, "it has data, such as \(data.object.printable)") }
        try await trying("mark image") { () async throws(RBDError) in
            try await context.setMetadata(placed([ImageMetadataKey.requestName: id.image]), ofImageID: imageID)
        }
        try await end(.making)
    }

    /// How long the image is to be kept, by its own metadata; nothing where that does not say so.
    ///
    /// What cannot be read was meant to keep it.
    func retention(_ marks: [String: String]) throws(VolumeError) -> Duration? {
        guard let text = marks[ImageMetadataKey.trashRetention] else { return nil }
        if let retention = TrashRetention(parsing: text) { return retention.duration }
        let (key, image) = (ImageMetadataKey.trashRetention, id.imageSpec)
        throw VolumeError(
            .failedPrecondition,
            "cannot delete image '\(image)': its metadata '\(key)' says '\(text.printable)', which is not a time of at most "
                + "ten years, such as 72h or 7d, so nobody knows for how long it is to be kept; correct it: rbd image-meta "
                + "set \(image.shellWord) \(key) 7d; or, for the service's own --trash-retention: rbd image-meta remove "
                + "\(image.shellWord) \(key)"
        )
    }

    /// The metadata of a volume's image, with the image that it is for.
    func placed(_ metadata: [String: String]) -> [String: String] {
        metadata.merging([ImageMetadataKey.image: id.imageSpec]) { $1 }
    }

    private func notOurs(
        _ doing: String,
        _ imageID: String,
        _ marks: [String: String]
    ) async throws(VolumeError) -> VolumeError {
        let (header, claim) = try await trying("look up image") { () async throws(RBDError) in
            let header = try await context.imageHeader(id: imageID)
            return (header, try await context.metadata(ofImageID: imageID, prefix: "csi.storage.k8s.io/"))
        }
        var what = header.map { "an image of \($0.sizeBytes.inBinaryUnits)" } ?? "an image"
        if ImageOrigin(marks, of: id) == .copied {
            what += " that is not a volume's"
        } else if let name = claim?["csi.storage.k8s.io/pvc/name"] {
            what += " that ceph-csi made for claim '\(claim?["csi.storage.k8s.io/pvc/namespace"] ?? "")/\(name)'"
        } else {
            what += " that another program made"
        }
        return .notOurs(doing, id.imageSpec, what, marks)
    }
}
