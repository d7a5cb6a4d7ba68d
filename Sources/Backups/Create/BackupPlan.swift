internal import Volumes

/// What an unfinished backup is going to read, written down before it reads: a repetition goes by it.
struct BackupPlan: Sendable, Equatable {
    var backup: String
    var imageID: String
    var snapshotID: UInt64
    var sizeBytes: UInt64
    var created: String
    /// The backup that it goes on from; `nil` for a full one.
    var parent: String?
    /// Why it is a full one.
    var reason: String?
    /// What is to be read, in the order of offsets.
    var extents: [Range<UInt64>]
    /// What has become a hole.
    var holes: [Range<UInt64>]

    /// Bytes to be read.
    var bytesToRead: UInt64 { extents.reduce(0) { $0 + UInt64($1.count) } }

    /// What becomes a chunk each: windows of the image that are read whole, and the others' parts gathered.
    var packs: [[Range<UInt64>]] {
        let window = UInt64(Chunk.mostBytes)
        var packs: [[Range<UInt64>]] = []
        var gathered: [Range<UInt64>] = []
        var bytes = 0
        for extent in extents {
            var start = extent.lowerBound
            while start < extent.upperBound {
                let piece = start..<min(extent.upperBound, (start / window + 1) * window)
                start = piece.upperBound
                guard piece.count < Chunk.mostBytes else {
                    packs.append([piece])
                    continue
                }
                if bytes + piece.count > Chunk.mostBytes {
                    packs.append(gathered)
                    (gathered, bytes) = ([], 0)
                }
                gathered.append(piece)
                bytes += piece.count
            }
        }
        if !gathered.isEmpty { packs.append(gathered) }
        return packs
    }
}
