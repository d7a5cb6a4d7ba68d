/// Bytes with positions: a disk, a part of one, an image in memory.
///
/// Reading never fails: unreadable bytes are missing from the result, and the creator of the source knows about them.
/// So a parser only has to handle arrays that are shorter than requested.
public protocol ByteSource: AnyObject {
    /// How many there are.
    var sizeBytes: UInt64 { get }
    /// Up to `count` bytes at `offset`; fewer at the end and where the medium cannot be read.
    func bytes(at offset: UInt64, count: Int) -> [UInt8]
}

extension ByteSource {
    /// Whether `magic` stands at `offset`.
    func holds(_ magic: [UInt8], at offset: UInt64) -> Bool {
        guard offset <= sizeBytes, UInt64(magic.count) <= sizeBytes - offset else { return false }
        return bytes(at: offset, count: magic.count) == magic
    }

    /// Whether `text` stands at `offset`.
    func holds(_ text: String, at offset: UInt64) -> Bool { holds(Array(text.utf8), at: offset) }
}

/// Bytes in memory at given offsets; zeros elsewhere.
///
/// For tests, and for images of headers.
public final class MemorySource: ByteSource {
    /// How large it claims to be.
    public let sizeBytes: UInt64
    private var parts: [(offset: UInt64, bytes: [UInt8])]

    /// A source of `sizeBytes` with these parts.
    public init(sizeBytes: UInt64, parts: [(offset: UInt64, bytes: [UInt8])] = []) {
        self.sizeBytes = sizeBytes
        self.parts = parts
    }

    /// A source that is these bytes.
    public convenience init(_ bytes: [UInt8]) {
        self.init(sizeBytes: UInt64(bytes.count), parts: [(0, bytes)])
    }

    /// Adds bytes at `offset`; later parts win.
    public func put(_ bytes: [UInt8], at offset: UInt64) { parts.append((offset, bytes)) }

    /// Up to `count` bytes at `offset`.
    public func bytes(at offset: UInt64, count: Int) -> [UInt8] {
        guard offset < sizeBytes, count > 0 else { return [] }
        let count = Int(min(UInt64(count), sizeBytes - offset))
        var result = [UInt8](repeating: 0, count: count)
        for part in parts {
            let start = max(part.offset, offset)
            let end = min(part.offset + UInt64(part.bytes.count), offset + UInt64(count))
            guard start < end else { continue }
            let source = Int(start - part.offset)..<Int(end - part.offset)
            result.replaceSubrange(Int(start - offset)..<Int(end - offset), with: part.bytes[source])
        }
        return result
    }
}

/// A part of another source, or several parts in a row: a partition, a logical volume.
public final class Window: ByteSource {
    private let base: any ByteSource
    /// Where its parts lie in the source below.
    public let extents: [ByteExtent]
    /// The sum of the parts.
    public let sizeBytes: UInt64

    /// A view of `extents` of `base`; bytes beyond the end of `base` are missing.
    public init(_ base: any ByteSource, _ extents: [ByteExtent]) {
        self.base = base
        self.extents = extents
        sizeBytes = extents.reduce(0) { $0.addingReportingOverflow($1.length).partialValue }
    }

    /// Up to `count` bytes at `offset`.
    public func bytes(at offset: UInt64, count: Int) -> [UInt8] {
        guard offset < sizeBytes, count > 0 else { return [] }
        var result: [UInt8] = []
        for extent in extents.mapped(ByteExtent(offset: offset, length: min(UInt64(count), sizeBytes - offset))) {
            let part = base.bytes(at: extent.offset, count: Int(extent.length))
            result += part
            if part.count < Int(extent.length) { break }
        }
        return result
    }
}
