internal import JSON

/// What a scalar without quotes means.
///
/// YAML 1.2 §10.3.2, the core schema, without octal and hexadecimal numbers, infinity and NaN, which JSON does not
/// have.
enum PlainScalar {
    static func value(of text: String) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: return JSONNumber(parsing: text).map { .number($0) } ?? .string(text)
        }
    }

    /// Whether a string must be quoted so that no reader takes it for another type.
    ///
    /// Readers of YAML 1.1, such as kubectl's, also know `yes`, `no`, `on`, `off`, octal numbers and times of day.
    static func isMistakable(_ text: String) -> Bool {
        guard case .string = value(of: text) else { return true }
        guard let first = text.utf8.first else { return true }
        let isNumberLike =
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
            || [UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: ".")].contains(first)
        let words: Set<String> = ["yes", "no", "on", "off", "y", "n"]
        return (isNumberLike && !text.utf8.contains(UInt8(ascii: "/"))) || words.contains(text.lowercased())
    }
}
