extension Unicode.Scalar {
    /// Whether the scalar is a control character (C0, DEL, C1) or a line or paragraph separator.
    package var isControl: Bool {
        value < 0x20 || (0x7F...0x9F).contains(value) || value == 0x2028 || value == 0x2029
    }
}

extension String {
    /// The string in a form for one line of a message: control characters as `\u{…}`, at most 160 characters.
    package var printable: String {
        var line = ""
        var count = 0
        for scalar in unicodeScalars {
            guard count < 160 else { return line + "…" }
            if scalar.isControl {
                line += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                line.unicodeScalars.append(scalar)
            }
            count += 1
        }
        return line
    }

    /// Whether any scalar is a control character.
    package var holdsControlCharacters: Bool { unicodeScalars.contains { $0.isControl } }
}

extension Duration {
    /// Seconds with one decimal and the unit: `9.8 s`.
    package var seconds: String {
        let tenths = components.seconds * 10 + components.attoseconds / 100_000_000_000_000_000
        return "\(tenths / 10).\(tenths % 10) s"
    }
}

extension UInt64 {
    /// The number with the largest binary unit that divides it: `10 GiB`, `1536 MiB`, `1000 bytes`.
    package var inBinaryUnits: String {
        for (shift, unit) in [(UInt64(40), "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")]
        where self != 0 && self & ((1 << shift) - 1) == 0 {
            return "\(self >> shift) \(unit)"
        }
        return "\(self) bytes"
    }
}
