extension StringProtocol {
    /// The text as one word of a shell's command line, for commands that a person is told to paste.
    ///
    /// Names and cookies in Ceph may be anybody's: between quotes nothing of them is taken for a command. A text with
    /// control characters, which no terminal should print, is written as bash's `$'…'`.
    ///
    /// See: POSIX, Shell Command Language, 2.2 Quoting.
    public var shellWord: String {
        let bytes = Array(utf8)
        guard !bytes.isEmpty else { return "''" }
        if bytes.allSatisfy(Self.isPlain) { return String(self) }
        let isPrintable = unicodeScalars.allSatisfy { scalar in
            scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) && !scalar.properties.isBidiControl
                && scalar.value != 0x2028 && scalar.value != 0x2029
        }
        guard isPrintable else {
            let digits = Array("0123456789abcdef")
            return "$'"
                + bytes.map { byte in
                    Self.isPlain(byte)
                        ? String(UnicodeScalar(byte)) : "\\x\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
                }.joined() + "'"
        }
        return "'"
            + parts(at: "'").joined(separator: #"'\''"#) + "'"
    }

    /// Whether the byte has no meaning to a shell, wherever in a word it is.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "_-./:@,+".utf8.contains(byte)
        }
    }
}
