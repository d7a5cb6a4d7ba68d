internal import BlockDevices
internal import RADOS
internal import RBD
public import Secrets
public import Volumes

extension RBDImageStore {
    /// Grows an image with `rbd_resize2`, unless its object map or its file system does not allow the size.
    ///
    /// Reads the first 64 KiB of the image, without mapping it.
    public func growImage(
        _ id: VolumeID,
        toBytes sizeBytes: UInt64,
        ifBlank blank: BlankLimit?,
        credentials: Credentials
    ) async throws(VolumeError) -> UInt64 {
        let place = try await access.place(of: id, as: credentials)
        guard let imageID = try await place.imageID(), let marks = try await place.marks(imageID) else {
            throw VolumeError(.notFound, "cannot grow image '\(id.imageSpec)': it is not there")
        }
        try await place.requireOurs("grow image", imageID, marks)
        try await place.refuseIfLockedByHand("grow image", imageID)
        let largest = try await largestImageBytes(place, imageID)
        let outcome = try await place.waiting("grow image") { (context) throws(RBDError) -> Growth in
            let head = try context.head(of: id.image)
            guard head.sizeBytes < sizeBytes else { return .done(head.sizeBytes) }
            let limit = GrowthLimit(head)
            // The least of the limits, so that a retry with what is named succeeds.
            if let limit, !limit.allows(sizeBytes), limit.imageBytes <= largest { return .beyondFileSystem(limit) }
            if limit == nil, let blank, blank.largestBytes <= largest || sizeBytes <= largest {
                return .beyondBlank(blank.refusal)
            }
            guard sizeBytes <= largest else { return .beyondImage }
            let image = try Image.open(id.image, in: context, access: .readWrite)
            // It may have grown since it was read; librbd would refuse to shrink it.
            let present = try image.sizeBytes()
            guard present < sizeBytes else { return .done(present) }
            try image.grow(toBytes: sizeBytes)
            return .done(sizeBytes)
        }
        let what = "cannot grow image '\(id.imageSpec)' to \(sizeBytes.inBinaryUnits)"
        switch outcome {
        case .done(let bytes): return bytes
        case .beyondImage:
            throw VolumeError(
                .outOfRange,
                "\(what): with its object map it can have \(largest.inBinaryUnits) at most; ask for less"
            )
        case .beyondBlank(let refusal): throw refusal
        case .beyondFileSystem(let limit):
            throw VolumeError(
                .outOfRange,
                "\(what): \(limit.reason); the largest size that works is \(limit.imageBytes.inBinaryUnits); "
                    + "ask for that or less, or copy the data to a volume that is made larger"
            )
        }
    }

    private enum Growth: Sendable {
        case done(UInt64)
        case beyondImage
        case beyondBlank(VolumeError)
        case beyondFileSystem(GrowthLimit)
    }

    private func largestImageBytes(_ place: Place, _ imageID: String) async throws(VolumeError) -> UInt64 {
        try await place.trying("look up image") { () async throws(RBDError) in
            guard let header = try await place.context.imageHeader(id: imageID) else {
                return CapacityRange.largestBytes
            }
            return ImageLimit.largestBytes(
                hasObjectMap: header.features.contains(.objectMap),
                objectSizeBytes: header.objectSizeBytes,
                stripeCount: header.stripeCount
            )
        }
    }
}

extension IOContext {
    /// The beginning of an image and its size.
    ///
    /// Read through a handle that cannot write. To read through one that can, librbd wants the exclusive lock where the
    /// image has a journal, and a client that writes without pause does not let go of it.
    func head(of image: String) throws(RBDError) -> MemorySource {
        let opened = try Image.open(image, in: self, access: .readOnly)
        defer { opened.close() }
        let size = try opened.sizeBytes()
        return MemorySource(sizeBytes: size, parts: [(0, try opened.bytes(at: 0, count: Int(min(size, 64 << 10))))])
    }
}
