import Volumes

extension UInt64 {
    /// A size in a form that `Quantity` reads back exactly: `10GiB`, `1.5TiB`, `1000`.
    var asWritten: String {
        for (shift, unit) in [(UInt64(60), "EiB"), (50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")]
        where self >= 1 << shift {
            // Eighths are the finest fractions that three digits show exactly.
            let (whole, rest) = quotientAndRemainder(dividingBy: 1 << shift)
            let (eighths, lost) = rest.quotientAndRemainder(dividingBy: 1 << (shift - 3))
            guard lost == 0 else { continue }
            var fraction = String(eighths * 125 + 1000).dropFirst()
            while fraction.last == "0" { fraction.removeLast() }
            return fraction.isEmpty ? "\(whole)\(unit)" : "\(whole).\(fraction)\(unit)"
        }
        return "\(self)"
    }
}

/// How long ago something was, in one unit, as kubectl writes it: `45s`, `17m`, `5h`, `12d`.
struct Age: Equatable, CustomStringConvertible {
    let description: String

    /// - Parameters:
    ///   - past: Seconds since 1970; `nil` if unknown.
    ///   - now: Seconds since 1970.
    init(of past: Int64?, at now: Int64 = ThisMachine.now) {
        guard let past else {
            description = "-"
            return
        }
        let seconds = max(0, now - past)
        description =
            switch seconds {
            case ..<120: "\(seconds)s"
            case ..<7200: "\(seconds / 60)m"
            case ..<172_800: "\(seconds / 3600)h"
            default: "\(seconds / 86_400)d"
            }
    }
}

extension UInt64 {
    /// A size for display, rounded down to one decimal: `9.9GiB`.
    var inShort: String {
        for (shift, unit) in [(UInt64(60), "EiB"), (50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")]
        where self >= 1 << shift {
            let (whole, rest) = quotientAndRemainder(dividingBy: 1 << shift)
            // A shift binds tighter than a product.
            let tenth = ((rest >> (shift - 10)) * 10) >> 10
            return tenth == 0 ? "\(whole)\(unit)" : "\(whole).\(tenth)\(unit)"
        }
        return "\(self)B"
    }
}

extension String {
    /// Whether it holds characters that would break a line, or turn it round.
    var isOddlyWritten: Bool { unicodeScalars.contains { $0.isControl || $0.isDirectional } }

    /// The text without characters that would break a table's line, or turn it round.
    var onOneLine: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.isControl || $0.isDirectional ? "?" : $0 }))
    }
}
