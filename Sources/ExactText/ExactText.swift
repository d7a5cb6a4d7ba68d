/// Text that is equal only if all bytes are equal.
///
/// Swift's strings are equal, and hash and sort alike, if they are canonically equivalent: `é` in one scalar equals `e`
/// with a combining accent, and a `/` followed by a combining accent is not a `/`. Kernels, Ceph and Kubernetes compare
/// bytes. So the names of paths, images, pools, namespaces, clusters, users and objects are compared and looked up by
/// this type, or by `isExactly`, `startsExactly`, `endsExactly` and `parts(at:)`.
public struct ExactText: Sendable, Hashable, Comparable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The text itself.
    public let text: String

    /// Takes the text as it is.
    public init(_ text: some StringProtocol) { self.text = String(text) }

    /// Takes a literal as it is.
    public init(stringLiteral text: String) { self.text = text }

    /// Whether both have the same bytes.
    public static func == (one: Self, other: Self) -> Bool { one.text.isExactly(other.text) }

    /// In the order of their bytes, which is Ceph's and the kernel's.
    public static func < (one: Self, other: Self) -> Bool {
        one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
    }

    /// Hashes the bytes and a terminator that no text contains.
    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(UInt8(0xFF))
    }

    /// The text.
    public var description: String { text }
}

extension StringProtocol {
    /// Whether both have the same bytes.
    public func isExactly(_ other: some StringProtocol) -> Bool { utf8.elementsEqual(other.utf8) }

    /// Whether the text's first bytes are those of `prefix`.
    public func startsExactly(with prefix: some StringProtocol) -> Bool { utf8.starts(with: prefix.utf8) }

    /// Whether the text's last bytes are those of `suffix`.
    public func endsExactly(with suffix: some StringProtocol) -> Bool {
        utf8.reversed().starts(with: suffix.utf8.reversed())
    }

    /// The rest of the text after the bytes of `prefix`; `nil` if the text does not start with them.
    public func behind(_ prefix: some StringProtocol) -> String? {
        guard startsExactly(with: prefix) else { return nil }
        return String(decoding: utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    }

    /// The parts between the separators, byte by byte: a combining accent after a separator does not hide it.
    ///
    /// - Parameters:
    ///   - separator: An ASCII character, `/`.
    ///   - most: The largest number of cuts.
    ///   - omittingEmpty: Whether to leave out parts without a byte.
    /// - Returns: The parts in their order; one, the text itself, if it has no separator.
    public func parts(at separator: Unicode.Scalar, most: Int = .max, omittingEmpty: Bool = false) -> [String] {
        utf8.split(separator: UInt8(ascii: separator), maxSplits: most, omittingEmptySubsequences: omittingEmpty)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

extension Sequence where Element: StringProtocol {
    /// Whether one of the texts has the bytes of `text`.
    public func containsExactly(_ text: some StringProtocol) -> Bool { contains { $0.isExactly(text) } }

    /// The texts in the order of their bytes.
    public func sortedExactly() -> [Element] { sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
}
