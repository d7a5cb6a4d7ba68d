/// A JSON number as it was written, so that every 64-bit integer is exact.
package struct JSONNumber: Sendable, Hashable {
    /// RFC 8259's number.
    package let text: String

    /// Writes an integer.
    package init(_ integer: some BinaryInteger & Sendable) {
        text = String(integer)
    }

    /// Takes a text that the parser has recognised as a number.
    init(unchecked text: String) {
        self.text = text
    }

    /// Reads a number, whole; `nil` if `text` is not one.
    package init?(parsing text: String) {
        guard let end = JSONNumber.end(of: text.utf8), end == text.utf8.endIndex else { return nil }
        self.text = text
    }

    /// The integer value, also if it is written as `1e9` or `1.0`.
    ///
    /// Nothing for a fraction and for what does not fit.
    package var int64: Int64? {
        var isNegative = false
        var digits: [UInt8] = []
        var point: Int?
        var exponent = 0
        var rest = Substring(text).utf8
        if rest.first == UInt8(ascii: "-") {
            isNegative = true
            rest.removeFirst()
        }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "."): point = digits.count
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                exponent = Self.saturated(rest)
                rest = rest.dropFirst(rest.count)
            default: digits.append(byte - UInt8(ascii: "0"))
            }
        }
        // The value is 0.DIGITS × 10^scale, with neither leading nor trailing zeros in DIGITS.
        var scale = (point ?? digits.count) + exponent
        let leading = digits.prefix { $0 == 0 }.count
        digits.removeFirst(leading)
        scale -= leading
        while digits.last == 0 { digits.removeLast() }
        guard !digits.isEmpty else { return 0 }
        guard scale >= digits.count, scale <= 19 else { return nil }
        var value: Int64 = 0
        for index in 0..<scale {
            let digit = index < digits.count ? Int64(digits[index]) : 0
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, spills) =
                isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            guard !overflows, !spills else { return nil }
            value = sum
        }
        return value
    }

    /// An exponent, limited to ±10^9: no document has enough digits to compensate for a larger one.
    private static func saturated(_ text: Substring.UTF8View) -> Int {
        var value = 0
        for byte in text where byte >= UInt8(ascii: "0") {
            value = min(value * 10 + Int(byte - UInt8(ascii: "0")), 1_000_000_000)
        }
        return text.first == UInt8(ascii: "-") ? -value : value
    }

    /// Where the number that starts at the front of `bytes` ends; `nil` if there is none.
    static func end<Bytes: Collection<UInt8>>(of bytes: Bytes) -> Bytes.Index? {
        var index = bytes.startIndex
        func byte() -> UInt8? { index < bytes.endIndex ? bytes[index] : nil }
        func skipDigits() -> Bool {
            let start = index
            while let digit = byte(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) {
                bytes.formIndex(after: &index)
            }
            return index != start
        }
        if byte() == UInt8(ascii: "-") { bytes.formIndex(after: &index) }
        if byte() == UInt8(ascii: "0") {
            bytes.formIndex(after: &index)
        } else {
            guard skipDigits() else { return nil }
        }
        if byte() == UInt8(ascii: ".") {
            bytes.formIndex(after: &index)
            guard skipDigits() else { return nil }
        }
        if byte() == UInt8(ascii: "e") || byte() == UInt8(ascii: "E") {
            bytes.formIndex(after: &index)
            if byte() == UInt8(ascii: "+") || byte() == UInt8(ascii: "-") { bytes.formIndex(after: &index) }
            guard skipDigits() else { return nil }
        }
        return index
    }
}
