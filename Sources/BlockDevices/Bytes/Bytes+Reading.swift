/// Numbers and text in untrusted bytes: every access returns a value or `nil`.
extension RandomAccessCollection<UInt8> where Index == Int {
    /// A little-endian number at `offset` from the start; `nil` beyond the end.
    func little<T: FixedWidthInteger & UnsignedInteger>(_: T.Type, at offset: Int) -> T? {
        number(at: offset) { T(truncatingIfNeeded: $1) << T($0 * 8) }
    }

    /// A big-endian number at `offset` from the start; `nil` beyond the end.
    func big<T: FixedWidthInteger & UnsignedInteger>(_: T.Type, at offset: Int) -> T? {
        let last = T.bitWidth / 8 - 1
        return number(at: offset) { T(truncatingIfNeeded: $1) << T((last - $0) * 8) }
    }

    private func number<T: FixedWidthInteger>(at offset: Int, _ part: (Int, UInt8) -> T) -> T? {
        let width = T.bitWidth / 8
        guard offset >= 0, offset <= count - width else { return nil }
        var value: T = 0
        for index in 0..<width { value |= part(index, self[startIndex + offset + index]) }
        return value
    }

    /// The bytes of a range counted from the start; `nil` if it is incomplete.
    func slice(_ offset: Int, _ length: Int) -> SubSequence? {
        guard offset >= 0, length >= 0, offset <= count, length <= count - offset else { return nil }
        return self[(startIndex + offset)..<(startIndex + offset + length)]
    }

    /// Whether `text` stands at `offset`.
    func holds(_ text: String, at offset: Int) -> Bool {
        slice(offset, text.utf8.count)?.elementsEqual(text.utf8) ?? false
    }

    /// Text up to a zero or `length`, without control characters: it comes from the disk and goes to a terminal.
    func text(_ offset: Int, _ length: Int) -> String {
        guard let field = slice(offset, Swift.min(length, Swift.max(0, count - offset))) else { return "" }
        return String(decoding: field.prefix { $0 != 0 }, as: UTF8.self).printable
    }
}

extension String {
    /// Without control characters, which a terminal would interpret.
    var printable: String {
        String(String.UnicodeScalarView(unicodeScalars.filter { $0.value >= 32 && !(127..<160).contains($0.value) }))
    }
}
