/// The form of a chunk, and of a map, at the destination.
///
/// | bytes | what |
/// | --- | --- |
/// | 0–7 | `NACRECH1` |
/// | 8 | 0: the content as it is; 1: a Zstandard frame |
/// | 9–11 | 0 |
/// | 12–15 | the content's length in bytes, little-endian |
/// | 16–31 | the first half of the SHA-256 of all other bytes |
/// | 32– | the content, or its frame |
///
/// It is named by the SHA-256 of the content. The other one is there because a frame has bits that nothing is read from: a
/// flipped one is a sign of what keeps it, too.
enum Chunk {
    /// The most that a chunk of an image's data holds, and the unit by which an image is divided.
    static let mostBytes = 4 << 20
    /// The most that a map holds.
    static let mostMapBytes = 1 << 30

    private static let mark = Array("NACRECH1".utf8)
    private static let headBytes = 32
    private static let sumRange = 16..<32

    /// The object of a content.
    static func object(of content: [UInt8]) -> [UInt8] {
        let frame = Zstd.compressed(content)
        let body = frame ?? content
        var writer = ByteWriter()
        writer.append(mark)
        writer.append([frame == nil ? 0 : 1, 0, 0, 0])
        writer.append(UInt32(content.count))
        writer.append(sum(writer.bytes[...], body[...]))
        writer.append(body)
        return writer.bytes
    }

    private static func sum(_ head: ArraySlice<UInt8>, _ body: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        Digest(ofParts: [head, body]).bytes.prefix(sumRange.count)
    }

    /// The content of an object.
    ///
    /// - Parameters:
    ///   - object: The object's bytes.
    ///   - name: What it is named; `nil` for one that has its own checksum in its content.
    ///   - most: The longest content taken.
    /// - Returns: The content.
    /// - Throws: `Damage`.
    static func content(of object: [UInt8], named name: Digest?, most: Int = mostBytes) throws(Damage) -> [UInt8] {
        guard object.count >= headBytes, object[..<8].elementsEqual(mark), object[8] <= 1,
            object[9..<12].allSatisfy({ $0 == 0 })
        else { throw Damage("its head is no chunk's") }
        let length = object[12..<16].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= most else { throw Damage("it says that it is longer than any chunk") }
        let rest = object[headBytes...]
        guard object[sumRange].elementsEqual(sum(object[..<sumRange.lowerBound], rest)) else {
            throw Damage("it has not the checksum that it begins with")
        }
        guard let content = object[8] == 0 ? Array(rest) : Zstd.decompressed(rest, count: length),
            content.count == length
        else { throw Damage("it cannot be unpacked to the length that it has") }
        guard name.map({ Digest(of: content) == $0 }) ?? true else {
            throw Damage("its content has not the SHA-256 that it is named by")
        }
        return content
    }
}

/// What is wrong with a file of a backup; fits behind `because`.
struct Damage: Error, Sendable {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }
}
