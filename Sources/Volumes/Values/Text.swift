internal import ExactText

extension String {
    /// The string in a form for one line of a message: control and directional characters as `\u{…}`, at most 160 characters.
    package var printable: String {
        var line = ""
        var count = 0
        for scalar in unicodeScalars {
            guard count < 160 else { return line + "…" }
            if scalar.isControl || scalar.isDirectional {
                line += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                line.unicodeScalars.append(scalar)
            }
            count += 1
        }
        return line
    }

    /// Whether any scalar is directional.
    package var holdsDirectionalCharacters: Bool { unicodeScalars.contains { $0.isDirectional } }

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
    /// The number, exactly, in the unit that says it shortest: `10 GiB`, `1.5 GiB`, `10 GB`, `1000 bytes`.
    package var inBinaryUnits: String {
        for (shift, unit) in [(UInt64(60), "EiB"), (50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB")]
        where self >= 1 << shift && self & ((1 << (shift - 4)) - 1) == 0 {
            // Sixteenths are the finest fractions that four digits show exactly.
            var fraction = String(((self >> (shift - 4)) & 15) * 625 + 10_000).dropFirst()
            while fraction.last == "0" { fraction.removeLast() }
            return "\(self >> shift)\(fraction.isEmpty ? "" : ".\(fraction)") \(unit)"
        }
        for (scale, unit) in [(UInt64(1_000_000_000_000), "TB"), (1_000_000_000, "GB"), (1_000_000, "MB")]
        where self != 0 && self.isMultiple(of: scale) {
            return "\(self / scale) \(unit)"
        }
        return self != 0 && self < 1 << 20 && self & 1023 == 0 ? "\(self >> 10) KiB" : "\(self) bytes"
    }
}
