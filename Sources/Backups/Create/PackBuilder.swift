internal import Glibc

/// Puts parts of an image together for a chunk, without what is zeroes.
struct PackBuilder: Sendable {
    /// Zeroes are left out in parts of this size, on such boundaries of the image.
    static let grain: UInt64 = 64 << 10

    private(set) var content: [UInt8] = []
    private(set) var spans: [(offset: UInt64, length: UInt32, position: UInt32)] = []

    /// Adds what lies at an offset of the image, behind all that came before.
    mutating func append(_ bytes: [UInt8], at offset: UInt64) {
        var start = 0
        while start < bytes.count {
            let place = offset + UInt64(start)
            let end = min(bytes.count, start + Int((place / Self.grain + 1) * Self.grain - place))
            let part = bytes[start..<end]
            if !Self.isZero(part) { keep(part, at: place) }
            start = end
        }
    }

    private mutating func keep(_ part: ArraySlice<UInt8>, at offset: UInt64) {
        let position = UInt32(content.count)
        content.append(contentsOf: part)
        if let last = spans.last, last.offset + UInt64(last.length) == offset {
            spans[spans.count - 1].length += UInt32(part.count)
        } else {
            spans.append((offset, UInt32(part.count), position))
        }
    }

    /// Whether all bytes are 0: the first is, and each is like the one before.
    static func isZero(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard bytes.first == 0 else { return bytes.isEmpty }
        return bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return true }
            return memcmp(start, start + 1, buffer.count - 1) == 0
        }
    }
}
