/// Text that is itself only when every byte is the same.
///
/// Swift's own strings are equal, and hash and sort alike, when they look alike: `é` in one scalar and `e` with a combining
/// accent are one to it, and a `/` with an accent behind it is no `/`. Kernels, Ceph and Kubernetes compare bytes. So the
/// names of paths, images, pools, namespaces, clusters, users and objects are compared and looked up by this type, or by
/// `isExactly`, `startsExactly`, `endsExactly` and `parts(at:)`.
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

    /// Feeds the bytes and an end that no text has.
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

    /// What lies between the separators, byte by byte: an accent behind a separator does not hide it.
    ///
    /// - Parameters:
    ///   - separator: An ASCII character, `/`.
    ///   - omittingEmpty: Whether to leave out parts without a byte.
    /// - Returns: The parts in their order; one, the text itself, when there is no separator in it.
    public func parts(at separator: Unicode.Scalar, omittingEmpty: Bool = false) -> [String] {
        utf8.split(separator: UInt8(ascii: separator), omittingEmptySubsequences: omittingEmpty)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

extension Sequence where Element: StringProtocol {
    /// Whether one of the texts has the bytes of `text`.
    public func containsExactly(_ text: some StringProtocol) -> Bool { contains { $0.isExactly(text) } }

    /// The texts in the order of their bytes.
    public func sortedExactly() -> [Element] { sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
}
