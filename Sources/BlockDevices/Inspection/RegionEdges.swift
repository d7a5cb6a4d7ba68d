/// The first and the last bytes of a device or of a part of one.
struct RegionEdges {
    private let edges: [(offset: UInt64, bytes: [UInt8], wanted: Int)]

    /// Reads `bytes` at either end.
    init(_ source: any ByteSource, bytes: UInt64) {
        self.init(source, head: bytes, tail: bytes)
    }

    /// Reads so many bytes at the beginning, and so many at the end.
    init(_ source: any ByteSource, head: UInt64, tail: UInt64) {
        let (first, last) = (min(head, source.sizeBytes), min(tail, source.sizeBytes))
        edges = [(0, first), (source.sizeBytes - last, last)].map { offset, length in
            (offset, source.bytes(at: offset, count: Int(length)), Int(length))
        }
    }

    /// Reads where a GPT has its bytes: the MBR, a header and entries at the beginning, entries and a header at the end.
    init(_ source: any ByteSource, table sectorBytes: UInt64) {
        let copy = GPTLayout.copyBytes(sectorBytes)
        self.init(source, head: sectorBytes + copy, tail: copy)
    }

    /// Whether all of them could be read and are zeros.
    var areBlank: Bool { edges.allSatisfy { $0.bytes.count == $0.wanted && $0.bytes.allSatisfy { $0 == 0 } } }

    /// The offset of the first byte outside of `known` that is not zero or could not be read.
    func firstStray(known: [ByteExtent]) -> UInt64? {
        if areBlank { return nil }
        for (offset, bytes, wanted) in edges {
            let own = known.compactMap { $0.intersection(ByteExtent(offset: offset, length: UInt64(wanted))) }.merged()
            var start = offset
            for extent in own + [ByteExtent(offset: offset + UInt64(wanted), length: 0)] {
                let rest = bytes.dropFirst(Int(start - offset)).prefix(Int(extent.offset - start))
                if let place = rest.firstIndex(where: { $0 != 0 }) { return offset + UInt64(place) }
                if rest.count < Int(extent.offset - start) { return start + UInt64(rest.count) }
                start = extent.end
            }
        }
        return nil
    }

    /// Whether 4 KiB at each of this many places, spread evenly between the ends, are zeros.
    static func areSamplesBlank(_ source: any ByteSource, places: UInt64) -> Bool {
        (1...places).allSatisfy { place in
            let offset = source.sizeBytes / (places + 1) * place / 4096 * 4096
            let wanted = Int(min(4096, source.sizeBytes - offset))
            let bytes = source.bytes(at: offset, count: wanted)
            return bytes.count == wanted && bytes.allSatisfy { $0 == 0 }
        }
    }
}
