extension Unicode.Scalar {
    /// Whether the scalar is a control character (C0, DEL, C1) or a line or paragraph separator.
    public var isControl: Bool {
        value < 0x20 || (0x7F...0x9F).contains(value) || value == 0x2028 || value == 0x2029
    }

    /// Whether the scalar changes the direction in which what follows is read, so that a name looks like another.
    ///
    /// See: Unicode Standard Annex 9, explicit directional formatting.
    public var isDirectional: Bool {
        [0x061C, 0x200E, 0x200F].contains(value) || (0x202A...0x202E).contains(value)
            || (0x2066...0x2069).contains(value)
    }
}

extension String {
    /// Whether it has characters that would break a line, or turn it round.
    public var isOddlyWritten: Bool { unicodeScalars.contains { $0.isControl || $0.isDirectional } }

    /// The text without characters that would break a line, or turn it round: `?` stands for each.
    public var onOneLine: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.isControl || $0.isDirectional ? "?" : $0 }))
    }
}
