internal import SystemPackage

/// Writes and parses netlink attributes.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 2 | length, these four bytes included |
/// | 2 | 2 | type; the upper two bits are flags |
/// | 4 | | value, padded with zeros to a multiple of four |
///
/// See: netlink(7). All numbers in the host's order.
public struct NetlinkAttributes: Sendable, Hashable {
    /// The attributes so far.
    public private(set) var bytes: [UInt8] = []

    /// The flag of an attribute whose value is attributes.
    private static let nested: UInt16 = 0x8000

    /// Starts with none.
    public init() {}

    /// Adds a number of 32 bits.
    public mutating func append(_ type: UInt16, _ value: UInt32) { append(type, raw: Self.bytes(of: value)) }

    /// Adds a number of 64 bits.
    public mutating func append(_ type: UInt16, _ value: UInt64) { append(type, raw: Self.bytes(of: value)) }

    /// Adds a text with the zero byte that ends it.
    public mutating func append(_ type: UInt16, _ text: String) { append(type, raw: Array(text.utf8) + [0]) }

    /// Adds attributes in an attribute.
    public mutating func append(_ type: UInt16, _ inner: NetlinkAttributes) {
        append(type | Self.nested, raw: inner.bytes)
    }

    private mutating func append(_ type: UInt16, raw: [UInt8]) {
        bytes += Self.bytes(of: UInt16(raw.count + 4)) + Self.bytes(of: type) + raw
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    /// One attribute that was read.
    public struct Attribute: Sendable, Hashable {
        /// Its type without flags.
        public let type: UInt16
        /// Its value.
        public let value: [UInt8]

        /// The value as a number of 1, 2, 4 or 8 bytes.
        public var number: UInt64? {
            guard [1, 2, 4, 8].contains(value.count) else { return nil }
            return value.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// Parses attributes; a length beyond `bytes` is an error.
    public static func parse(_ bytes: some Collection<UInt8>) throws(KernelError) -> [Attribute] {
        let bytes = Array(bytes)
        var attributes: [Attribute] = []
        var place = 0
        while place + 4 <= bytes.count {
            let length = Int(bytes[place]) | Int(bytes[place + 1]) << 8
            let type = (UInt16(bytes[place + 2]) | UInt16(bytes[place + 3]) << 8) & 0x3FFF
            guard length >= 4, place + length <= bytes.count else {
                throw KernelError("recv", .badMessage, "netlink attribute of \(length) bytes")
            }
            attributes.append(Attribute(type: type, value: Array(bytes[(place + 4)..<(place + length)])))
            place += (length + 3) & ~3
        }
        return attributes
    }

    /// A number in little-endian order, which is the host's order on all supported machines.
    static func bytes<Number: FixedWidthInteger>(of number: Number) -> [UInt8] {
        (0..<(Number.bitWidth / 8)).map { UInt8(truncatingIfNeeded: number >> Number($0 * 8)) }
    }
}
