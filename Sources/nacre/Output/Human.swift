import Timestamps
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

extension Age {
    /// How long ago something was.
    ///
    /// - Parameter past: Seconds since 1970; `nil` if unknown.
    init(of past: Int64?) { self.init(of: past, at: ThisMachine.now) }
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
