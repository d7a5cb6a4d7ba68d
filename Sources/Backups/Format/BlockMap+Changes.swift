extension BlockMap {
    /// A part of an image that was written to, or is a hole now, with what is there by now.
    struct Piece: Sendable, Equatable {
        var offset: UInt64
        var length: UInt32
        var chunk: ChunkRecord
        var position: UInt32
    }

    /// The map after a change.
    ///
    /// - Parameters:
    ///   - changed: The ranges of which nothing stays, in the order of their offsets, without overlaps.
    ///   - pieces: What is there instead; what they leave out of the ranges is zeroes.
    ///   - sizeBytes: The image's size then.
    /// - Returns: The map, with the chunks alone that it needs.
    func changing(_ changed: [Range<UInt64>], to pieces: [Piece], sizeBytes: UInt64) -> BlockMap {
        var kept = remainder(without: changed, sizeBytes).map { extent in
            Piece(
                offset: extent.offset,
                length: extent.length,
                chunk: chunks[Int(extent.chunk)],
                position: extent.position
            )
        }
        kept += pieces
        kept.sort { $0.offset < $1.offset }
        return BlockMap(kept, sizeBytes: sizeBytes)
    }

    /// Puts a map together of pieces in the order of their offsets.
    init(_ pieces: [Piece], sizeBytes: UInt64) {
        self.init(sizeBytes: sizeBytes)
        var numbers: [ChunkRecord: UInt32] = [:]
        for piece in pieces {
            let number = numbers[piece.chunk] ?? UInt32(chunks.count)
            if numbers.updateValue(number, forKey: piece.chunk) == nil { chunks.append(piece.chunk) }
            if let last = extents.last, last.chunk == number, last.end == piece.offset,
                last.position + last.length == piece.position
            {
                extents[extents.count - 1].length += piece.length
                continue
            }
            extents.append(
                Extent(offset: piece.offset, length: piece.length, chunk: number, position: piece.position)
            )
        }
    }

    /// What is left of the extents outside of ranges, and before the image's end.
    private func remainder(without changed: [Range<UInt64>], _ sizeBytes: UInt64) -> [Extent] {
        var left: [Extent] = []
        var index = 0
        for extent in extents {
            var start = extent.offset
            let end = min(extent.end, sizeBytes)
            func keep(until stop: UInt64) {
                guard stop > start else { return }
                let skipped = UInt32(start - extent.offset)
                left.append(
                    Extent(
                        offset: start,
                        length: UInt32(stop - start),
                        chunk: extent.chunk,
                        position: extent.position + skipped
                    )
                )
            }
            while index < changed.count, changed[index].upperBound <= start { index += 1 }
            var next = index
            while next < changed.count, changed[next].lowerBound < end {
                keep(until: min(changed[next].lowerBound, end))
                start = max(start, changed[next].upperBound)
                next += 1
            }
            keep(until: end)
        }
        return left
    }
}
