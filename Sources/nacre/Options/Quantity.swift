import ArgumentParser
import ExactText
import Volumes

/// A number of bytes as Kubernetes writes it: `10Gi`, `500M`, `1.5Ti`, `1048576`; `10GiB` and `10GB` too.
struct Quantity: ExpressibleByArgument, Hashable, Sendable {
    let bytes: UInt64

    init(bytes: UInt64) {
        self.bytes = bytes
    }

    /// Reads a quantity; a fraction is rounded up to a whole byte.
    ///
    /// - Throws: `Fault` that says what is wrong and what is expected.
    init(parsing text: String) throws(Fault) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let suffix = String(text.dropFirst(digits.count))
        let parts = digits.parts(at: ".")
        guard let whole = parts.first, !whole.isEmpty, parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw Fault("'\(text)' is no size; write a number and a unit, such as 10GiB")
        }
        guard let unit = Self.units[suffix] else { throw Fault(Self.complaint(text, String(digits), suffix)) }
        let fraction = parts.count == 2 ? parts[1] : ""
        guard whole.count + fraction.count <= 18, let number = UInt128(String(whole + fraction)) else {
            throw Fault("'\(text)' has too many digits; use a larger unit")
        }
        let scale = (0..<fraction.count).reduce(UInt128(1)) { product, _ in product * 10 }
        let (product, remainder) = (number * UInt128(unit)).quotientAndRemainder(dividingBy: scale)
        guard let bytes = UInt64(exactly: product + (remainder == 0 ? 0 : 1)), bytes <= UInt64(Int64.max) else {
            throw Fault("'\(text)' is more than 8 EiB, the most that a size can say")
        }
        self.bytes = bytes
    }

    init?(argument: String) {
        try? self.init(parsing: argument)
    }

    /// The error for a volume's size below a MiB: its unit was forgotten, for rbd takes a number alone as MiB.
    func refusal(_ flag: String) -> ValidationError? {
        guard bytes < CapacityRange.granularityBytes else { return nil }
        return ValidationError("\(flag) wants at least 1MiB, not \(bytes) bytes; write the unit, such as 10GiB")
    }

    /// What a volume of this size has: whole MiB.
    var wholeBytes: UInt64 {
        let unit = CapacityRange.granularityBytes
        return (bytes + unit - 1) / unit * unit
    }

    static let units: [String: UInt64] = {
        var units: [String: UInt64] = ["": 1, "B": 1]
        var decimal: UInt64 = 1
        var binary: UInt64 = 1
        for letter in ["k", "M", "G", "T", "P", "E"] {
            decimal *= 1000
            binary *= 1024
            units[letter] = decimal
            units[letter + "B"] = decimal
            for spelling in [letter.uppercased() + "i", letter.uppercased() + "iB"] { units[spelling] = binary }
        }
        return units
    }()

    private static func complaint(_ text: String, _ digits: String, _ suffix: String) -> String {
        let known = "k, M, G, T, P, E are powers of 1000; Ki, Mi, Gi, Ti, Pi, Ei are powers of 1024"
        let letter = suffix.prefix(1).uppercased()
        guard units[letter + "i"] != nil else { return "'\(text)' has the unknown unit '\(suffix)'; \(known)" }
        let decimal = letter == "K" ? "k" : letter
        return "'\(text)' has the unknown unit '\(suffix)'; did you mean \(digits)\(letter)iB (1024) or "
            + "\(digits)\(decimal) (1000)?"
    }

    /// What is wrong with a quantity.
    struct Fault: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) {
            self.description = description
        }
    }
}
