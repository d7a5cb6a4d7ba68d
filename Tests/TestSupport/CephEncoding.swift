/// Ceph's plain encoding, implemented again for the tests, so that the tests do not depend on the code that they check.
struct CephEncoding {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ string: String) {
        append(UInt32(string.utf8.count))
        bytes += string.utf8
    }

    /// A structure with its version, the oldest version that can read it, and its length.
    mutating func append(version: UInt8, compatible: UInt8, _ body: CephEncoding) {
        append(version)
        append(compatible)
        append(UInt32(body.bytes.count))
        bytes += body.bytes
    }
}

/// Reads what Ceph encoded.
struct CephDecoding {
    private var rest: ArraySlice<UInt8>

    /// The bytes are malformed.
    struct Malformed: Error {}

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws -> Number {
        let bytes = Array(try take(Number.bitWidth / 8))
        return Number(littleEndian: bytes.withUnsafeBytes { $0.loadUnaligned(as: Number.self) })
    }

    mutating func string() throws -> String {
        String(decoding: try take(Int(try number(UInt32.self))), as: UTF8.self)
    }

    /// The body of a structure with version and length.
    mutating func structure() throws -> CephDecoding {
        _ = try take(2)
        return CephDecoding(Array(try take(Int(try number(UInt32.self)))))
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard rest.count >= count else { throw Malformed() }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}
