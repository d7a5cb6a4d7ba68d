internal import RBD
internal import SystemPackage

/// What of an image has to be read.
struct ImageChanges: Sendable, Equatable {
    /// What holds data, in the order of offsets, without neighbours.
    var extents: [Range<UInt64>] = []
    /// What has become a hole.
    var holes: [Range<UInt64>] = []

    /// Objects are asked for together if no more than this lies between them, for each call costs some round trips.
    private static let gap: UInt64 = 32 << 20
    /// So many bytes at most are asked for in one call.
    private static let stretch: UInt64 = 1 << 30

    /// Asks librbd.
    ///
    /// Blocks the calling thread. Whole objects are asked for first: an object map with fast-diff answers that at once. Of
    /// those that have changed since a snapshot, what was written is asked of the OSDs, to the byte.
    ///
    /// - Parameters:
    ///   - image: The image, opened at a snapshot.
    ///   - snapshot: An earlier snapshot; `nil` for all that is there.
    ///   - sizeBytes: The image's size at its snapshot.
    /// - Throws: `RBDError`.
    init(of image: Image, since snapshot: String?, sizeBytes: UInt64) throws(RBDError) {
        let coarse = try Self.read(image, since: snapshot, 0..<sizeBytes, wholeObjects: true)
        guard snapshot != nil else {
            self = coarse
            return
        }
        for stretch in Self.stretches((coarse.extents + coarse.holes).sorted { $0.lowerBound < $1.lowerBound }) {
            let fine = try Self.read(image, since: snapshot, stretch, wholeObjects: false)
            extents += fine.extents
            holes += fine.holes
        }
        extents = Self.merged(extents)
        holes = Self.merged(holes)
    }

    private static func read(
        _ image: Image,
        since snapshot: String?,
        _ range: Range<UInt64>,
        wholeObjects: Bool
    ) throws(RBDError) -> ImageChanges {
        var changes = ImageChanges()
        guard !range.isEmpty else { return changes }
        do {
            try image.changedExtents(
                since: snapshot,
                from: range.lowerBound,
                length: UInt64(range.count),
                wholeObjects: wholeObjects
            ) { offset, length, exists in
                let part = max(offset, range.lowerBound)..<min(offset + length, range.upperBound)
                guard !part.isEmpty else { return }
                if exists { changes.extents.append(part) } else { changes.holes.append(part) }
            }
        } catch let error as RBDError {
            throw error
        } catch {
            throw RBDError(call: "rbd_diff_iterate2", code: .ioError, subject: image.spec)
        }
        // Of a striped image, parts of one object come together.
        changes.extents = merged(changes.extents)
        changes.holes = merged(changes.holes)
        return changes
    }

    private init() {}

    private static func merged(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        var merged: [Range<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, last.upperBound >= range.lowerBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    /// Neighbours together.
    private static func stretches(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        var stretches: [Range<UInt64>] = []
        for range in ranges {
            if let last = stretches.last, last.upperBound + gap >= range.lowerBound,
                range.upperBound - last.lowerBound <= stretch
            {
                stretches[stretches.count - 1] = last.lowerBound..<range.upperBound
            } else {
                stretches.append(range)
            }
        }
        return stretches
    }
}
