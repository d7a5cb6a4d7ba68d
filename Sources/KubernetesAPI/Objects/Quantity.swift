internal import ExactText

/// A number of bytes as Kubernetes writes it: `10Gi`, `1500m`, `1e9`.
///
/// See: k8s.io/apimachinery `resource.Quantity`.
package enum Quantity {
    /// The bytes of a quantity, rounded up; `nil` if it is invalid, negative, or above 2^63 - 1.
    package static func bytes(_ text: String) -> Int64? {
        var rest = Substring(text)
        if rest.first == "+" { rest.removeFirst() }
        let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let scale = scale(String(rest.dropFirst(digits.count))) else { return nil }
        let parts = digits.parts(at: ".")
        guard parts.count <= 2, digits.contains(where: \.isNumber) else { return nil }
        let fraction = (parts.count == 2 ? parts[1] : "").reversed().drop { $0 == "0" }.reversed()
        let whole = parts[0].drop { $0 == "0" }
        // Further digits change the value by less than a byte, or it is above 2^63.
        let all = whole + fraction
        guard whole.count <= 19, fraction.count <= 18, var number = all.isEmpty ? 0 : UInt128(all) else { return nil }
        var divisor = power(10, fraction.count)
        switch scale {
        case .binary(let shift): number <<= UInt128(shift)
        case .decimal(let exponent) where exponent >= 0:
            guard exponent <= 18 || number == 0 else { return nil }
            number *= number == 0 ? 1 : power(10, exponent)
        case .decimal(let exponent):
            guard exponent >= -18 else { return number == 0 ? 0 : 1 }
            divisor *= power(10, -exponent)
        }
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return Int64(exactly: quotient + (remainder == 0 ? 0 : 1))
    }

    /// How Kubernetes writes a number of bytes: the largest binary unit that divides it.
    package static func text(_ bytes: Int64) -> String {
        for (shift, unit) in [(60, "Ei"), (50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")]
        where bytes != 0 && bytes & ((1 << shift) - 1) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }

    private enum Scale {
        case binary(Int)
        case decimal(Int)
    }

    private static func power(_ base: UInt128, _ exponent: Int) -> UInt128 {
        (0..<exponent).reduce(1) { product, _ in product * base }
    }

    private static func scale(_ suffix: String) -> Scale? {
        switch suffix {
        case "": return .decimal(0)
        case "n": return .decimal(-9)
        case "u": return .decimal(-6)
        case "m": return .decimal(-3)
        case "k": return .decimal(3)
        case "M": return .decimal(6)
        case "G": return .decimal(9)
        case "T": return .decimal(12)
        case "P": return .decimal(15)
        case "E": return .decimal(18)
        case "Ki": return .binary(10)
        case "Mi": return .binary(20)
        case "Gi": return .binary(30)
        case "Ti": return .binary(40)
        case "Pi": return .binary(50)
        case "Ei": return .binary(60)
        default:
            guard let letter = suffix.first, letter == "e" || letter == "E" else { return nil }
            guard let exponent = Int(suffix.dropFirst()), abs(exponent) <= 1000 else { return nil }
            return .decimal(exponent)
        }
    }
}
