/// Where each part of an image lies in chunks; what is in no extent is zeroes.
///
/// | bytes | what |
/// | --- | --- |
/// | 0–7 | `NACREMA1` |
/// | 8–15 | the image's size in bytes |
/// | 16–19 | the number of chunks, C |
/// | 20–27 | the number of extents, E |
/// | C × 40 | SHA-256 of the content, its length, the length of the object (4 bytes each) |
/// | E × 20 | offset in the image (8), length, number of the chunk, offset in its content (4 each) |
///
/// Numbers are little-endian. Extents are in the order of their offsets and do not overlap.
struct BlockMap: Sendable, Equatable {
    /// A chunk that the map needs.
    struct ChunkRecord: Sendable, Hashable {
        var digest: Digest
        var contentBytes: UInt32
        var storedBytes: UInt32
    }

    /// A part of the image.
    struct Extent: Sendable, Equatable {
        var offset: UInt64
        var length: UInt32
        /// The index of its chunk in the map's table.
        var chunk: UInt32
        /// Where it begins in the chunk's content.
        var position: UInt32

        var end: UInt64 { offset + UInt64(length) }
    }

    var sizeBytes: UInt64
    var chunks: [ChunkRecord] = []
    var extents: [Extent] = []

    /// Bytes of the image that are in extents.
    var dataBytes: UInt64 { extents.reduce(0) { $0 + UInt64($1.length) } }

    /// Bytes of all its chunks' objects.
    var storedBytes: UInt64 { chunks.reduce(0) { $0 + UInt64($1.storedBytes) } }

    private static let mark = Array("NACREMA1".utf8)

    /// The map, written down.
    var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.mark)
        writer.append(sizeBytes)
        writer.append(UInt32(chunks.count))
        writer.append(UInt64(extents.count))
        for chunk in chunks {
            writer.append(chunk.digest.bytes)
            writer.append(chunk.contentBytes)
            writer.append(chunk.storedBytes)
        }
        for extent in extents {
            writer.append(extent.offset)
            for number in [extent.length, extent.chunk, extent.position] { writer.append(number) }
        }
        return writer.bytes
    }

    init(sizeBytes: UInt64) {
        self.sizeBytes = sizeBytes
    }

    /// Reads a map, and checks all that it says against itself.
    init(parsing bytes: [UInt8]) throws(Damage) {
        var reader = ByteReader(bytes)
        guard let mark = reader.bytes(8), mark.elementsEqual(Self.mark), let size = reader.number(UInt64.self),
            let chunkCount = reader.number(UInt32.self), let extentCount = reader.number(UInt64.self),
            extentCount <= UInt64(bytes.count), UInt64(bytes.count) == 28 + 40 * UInt64(chunkCount) + 20 * extentCount
        else { throw Damage("it is no map, or is cut off") }
        sizeBytes = size
        chunks.reserveCapacity(Int(chunkCount))
        for _ in 0..<chunkCount {
            guard let raw = reader.bytes(Digest.byteCount), let digest = Digest(raw: raw),
                let content = reader.number(UInt32.self), let stored = reader.number(UInt32.self)
            else { throw Damage("it is cut off") }
            chunks.append(ChunkRecord(digest: digest, contentBytes: content, storedBytes: stored))
        }
        var end: UInt64 = 0
        extents.reserveCapacity(Int(extentCount))
        for _ in 0..<extentCount {
            guard let offset = reader.number(UInt64.self), let length = reader.number(UInt32.self),
                let chunk = reader.number(UInt32.self), let position = reader.number(UInt32.self)
            else { throw Damage("it is cut off") }
            guard offset >= end, offset <= size, UInt64(length) <= size - offset, length > 0, chunk < chunkCount,
                UInt64(position) + UInt64(length) <= UInt64(chunks[Int(chunk)].contentBytes)
            else { throw Damage("an extent of it lies where none can") }
            extents.append(Extent(offset: offset, length: length, chunk: chunk, position: position))
            end = offset + UInt64(length)
        }
    }
}
