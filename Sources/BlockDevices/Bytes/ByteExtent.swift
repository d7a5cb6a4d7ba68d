/// A run of bytes.
public struct ByteExtent: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Where it begins.
    public var offset: UInt64
    /// How long it is.
    public var length: UInt64

    /// An extent of `length` bytes at `offset`, limited to the address range.
    public init(offset: UInt64, length: UInt64) {
        self.offset = offset
        self.length = min(length, .max - offset)
    }

    /// The first byte after it.
    public var end: UInt64 { offset + length }

    /// By where they begin, then by length.
    public static func < (left: ByteExtent, right: ByteExtent) -> Bool {
        (left.offset, left.length) < (right.offset, right.length)
    }

    /// The overlap with another extent; `nil` if there is none.
    public func intersection(_ other: ByteExtent) -> ByteExtent? {
        let start = max(offset, other.offset)
        let stop = min(end, other.end)
        return start < stop ? ByteExtent(offset: start, length: stop - start) : nil
    }

    /// Such as `1048576+4096`.
    public var description: String { "\(offset)+\(length)" }
}

extension [ByteExtent] {
    /// Where an extent inside the concatenation of these extents is.
    public func mapped(_ inner: ByteExtent) -> [ByteExtent] {
        var found: [ByteExtent] = []
        var start: UInt64 = 0
        for extent in self {
            let here = ByteExtent(offset: start, length: extent.length)
            if let common = here.intersection(inner) {
                let offset = extent.offset.addingReportingOverflow(common.offset - start).partialValue
                found.append(ByteExtent(offset: offset, length: common.length))
            }
            start = here.end
            if start >= inner.end { break }
        }
        return found
    }

    /// The same bytes as sorted extents that neither overlap nor touch.
    public func merged() -> [ByteExtent] {
        var result: [ByteExtent] = []
        for extent in sorted() where extent.length > 0 {
            if let last = result.last, extent.offset <= last.end {
                result[result.count - 1].length = Swift.max(last.end, extent.end) - last.offset
            } else {
                result.append(extent)
            }
        }
        return result
    }
}
