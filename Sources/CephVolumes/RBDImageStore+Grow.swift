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
        let place = try await place(of: id, as: credentials)
        guard let imageID = try await imageID(place), let marks = try await place.marks(imageID) else {
            throw VolumeError(.notFound, "cannot grow image '\(id.imageSpec)': it is not there")
        }
        try await place.requireOurs("grow image", imageID, marks)
        try await place.refuseIfLockedByHand("grow image", imageID)
        let largest = try await largestImageBytes(place, imageID)
        let outcome = try await place.waiting("grow image") { (context) throws(RBDError) -> Growth in
            let image = try Image.open(id.image, in: context, access: .readWrite)
            // It may have grown since it was read; librbd would refuse to shrink it.
            let present = try image.sizeBytes()
            guard present < sizeBytes else { return .done(present) }
            let head = MemorySource(sizeBytes: present, parts: [(0, try image.bytes(at: 0, count: 64 << 10))])
            let limit = GrowthLimit(head)
            // The least of the limits, so that a retry with what is named succeeds.
            if let limit, sizeBytes > limit.bytes, limit.bytes <= largest { return .beyondFileSystem(limit) }
            if limit == nil, let blank, blank.largestBytes <= largest || sizeBytes <= largest {
                return .beyondBlank(blank.refusal)
            }
            guard sizeBytes <= largest else { return .beyondImage }
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
            let unit = CapacityRange.granularityBytes
            throw VolumeError(
                .outOfRange,
                "\(what): \(limit.reason); the largest size that works is \((limit.bytes / unit * unit).inBinaryUnits); "
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
                objectSizeBytes: header.objectSizeBytes
            )
        }
    }
}
