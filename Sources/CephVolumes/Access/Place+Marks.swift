internal import ExactText
internal import RADOS
internal import RBD
internal import Volumes

/// The marks of Nacre's images; an image without one, or with those of another image, is never changed.
///
/// A plain image gets its marks together with its header. An image that librbd creates gets them a moment later. An
/// empty object `nacre_making.NAME` exists from before the create until then, so that a kill in between leaves no image
/// without an owner.
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
        guard origin == .foreign, try await isBeingMade() else { throw try await notOurs(doing, imageID, marks) }
        try await trying("mark image") { () async throws(RBDError) in
            try await context.setMetadata(placed([ImageMetadataKey.requestName: id.image]), ofImageID: imageID)
        }
        try await endMaking()
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

    /// Records that librbd creates the image for Nacre.
    func beginMaking() async throws(VolumeError) {
        try await trying("create image") { () async throws(RBDError) in
            do throws(RADOSError) {
                try await context.execute(on: making, isNew: true)
            } catch {
                guard error.isAlreadyThere else { throw RBDError(error) }
            }
        }
    }

    /// Records that the image is created and marked, or does not exist.
    func endMaking() async throws(VolumeError) {
        try await trying("create image") { () async throws(RBDError) in
            do throws(RADOSError) {
                try await context.remove(making)
            } catch {
                throw RBDError(error)
            }
        }
    }

    /// Whether librbd makes the image for Nacre, or was killed while it did.
    func isBeingMade() async throws(VolumeError) -> Bool {
        try await trying("look up image") { () async throws(RBDError) in
            do throws(RADOSError) {
                return try await context.sizeBytes(of: making) != nil
            } catch {
                throw RBDError(error)
            }
        }
    }

    private var making: String { "nacre_making.\(id.image)" }

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
