/// A number as mkfs reads it: by strtoull(3) with base 0, so `0x10`, `020` and `16` are the same, and what follows it.
///
/// A guard that compared the text would let pass what means the same and is written in another way.
struct ToolNumber: Sendable {
    /// Its value, the largest one on overflow; a negative number wraps around as in C.
    let value: UInt64
    /// What follows the digits, in lower case: `k`.
    let suffix: String

    /// Reads one; `nil` for a text that does not begin with a number.
    init?(_ text: String) {
        var rest = text.utf8[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        var base: UInt64 = 10
        if rest.first == UInt8(ascii: "0") {
            base = 8
            let behind = rest.dropFirst()
            if behind.first.map({ $0 | 0x20 }) == UInt8(ascii: "x"),
                behind.dropFirst().first.flatMap({ Self.digit($0, 16) }) != nil
            {
                base = 16
                rest = behind.dropFirst()
            }
        }
        guard rest.first.flatMap({ Self.digit($0, base) }) != nil else { return nil }
        var value: UInt64 = 0
        var isTooLarge = false
        while let digit = rest.first.flatMap({ Self.digit($0, base) }) {
            let product = value.multipliedReportingOverflow(by: base)
            let sum = product.partialValue.addingReportingOverflow(digit)
            isTooLarge = isTooLarge || product.overflow || sum.overflow
            value = sum.partialValue
            rest = rest.dropFirst()
        }
        self.value = isTooLarge ? .max : isNegative ? 0 &- value : value
        suffix = String(decoding: rest, as: UTF8.self).lowercased()
    }

    /// The value where nothing follows it.
    var plain: UInt64? { suffix.isEmpty ? value : nil }

    /// The value in bytes, by the units of a suffix; `nil` for a suffix that is none, and on overflow.
    ///
    /// - Parameter units: Bytes of a unit, beside those of `k`, `m`, `g`, `t`, `p` and `e`.
    /// - Returns: Bytes.
    func bytes(_ units: [String: UInt64]) -> UInt64? {
        let binary: [String: UInt64] = [
            "": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50, "e": 1 << 60,
        ]
        guard let unit = units[suffix] ?? binary[suffix] else { return nil }
        let product = value.multipliedReportingOverflow(by: unit)
        return product.overflow ? nil : product.partialValue
    }

    private static func digit(_ byte: UInt8, _ base: UInt64) -> UInt64? {
        let value: UInt64
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = UInt64(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = UInt64(byte - UInt8(ascii: "A")) + 10
        default: return nil
        }
        return value < base ? value : nil
    }
}
