/// Ceph's plain encoding, as object classes speak it: little-endian numbers, strings with a 32-bit length before them.
struct Encoder {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A time since 1970, as Ceph's `utime_t`.
    mutating func append(time: Duration) {
        append(UInt32(truncatingIfNeeded: time.components.seconds))
        append(UInt32(truncatingIfNeeded: time.components.attoseconds / 1_000_000_000))
    }

    mutating func append(_ flag: Bool) {
        bytes.append(flag ? 1 : 0)
    }

    mutating func append(_ string: some Collection<UInt8>) {
        append(UInt32(string.count))
        bytes.append(contentsOf: string)
    }

    mutating func append(_ string: String) {
        append(Array(string.utf8))
    }

    /// A structure with its version and its length before it.
    mutating func append(version: UInt8, compatible: UInt8, _ structure: Encoder) {
        append(version)
        append(compatible)
        append(structure.bytes)
    }
}

/// Reads Ceph's plain encoding; returns `nil` if the bytes end too early, and never traps.
struct Decoder {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) -> Number? {
        let size = Number.bitWidth / 8
        guard rest.count >= size else { return nil }
        var value: Number = 0
        withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: rest.prefix(size)) }
        rest = rest.dropFirst(size)
        return Number(littleEndian: value)
    }

    /// A time since 1970, as Ceph's `utime_t`.
    mutating func time() -> Duration? {
        guard let seconds = number(UInt32.self), let nanoseconds = number(UInt32.self) else { return nil }
        return .seconds(Int64(seconds)) + .nanoseconds(Int64(nanoseconds))
    }

    mutating func string() -> String? {
        guard let length = number(UInt32.self), rest.count >= Int(length) else { return nil }
        defer { rest = rest.dropFirst(Int(length)) }
        return String(decoding: rest.prefix(Int(length)), as: UTF8.self)
    }

    /// The body of a structure that has its version and its length before it.
    mutating func structure() -> Decoder? {
        guard number(UInt16.self) != nil, let length = number(UInt32.self), rest.count >= Int(length) else {
            return nil
        }
        defer { rest = rest.dropFirst(Int(length)) }
        return Decoder(Array(rest.prefix(Int(length))))
    }

    mutating func map() -> [(key: String, value: String)]? {
        guard let count = number(UInt32.self), Int(count) <= rest.count / 8 else { return nil }
        var pairs: [(key: String, value: String)] = []
        for _ in 0..<count {
            guard let key = string(), let value = string() else { return nil }
            pairs.append((key, value))
        }
        return pairs
    }
}
