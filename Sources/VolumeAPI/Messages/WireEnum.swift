internal import JSON

/// One of CSI's enums: the cases are in the order of the proto's numbers, from 0, without a gap.
package protocol WireEnum: RawRepresentable<String>, CaseIterable, Sendable, Hashable
where AllCases == [Self] {}

extension WireEnum {
    /// The case of that number.
    init?(number: Int) {
        guard Self.allCases.indices.contains(number) else { return nil }
        self = Self.allCases[number]
    }

    init(json value: JSONValue) throws(FieldError) {
        switch value {
        case .string(let name):
            guard let known = Self(rawValue: name) else {
                throw FieldError("'\(TextRule.short(name))' is not one of \(Self.names)")
            }
            self = known
        case .number(let number):
            guard let integer = number.int64, let known = Int(exactly: integer).flatMap(Self.init(number:)) else {
                throw FieldError("the number is not one of 0…\(Self.allCases.count - 1): \(Self.names)")
            }
            self = known
        default:
            throw .expected("a name or a number", found: value)
        }
    }

    private static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
