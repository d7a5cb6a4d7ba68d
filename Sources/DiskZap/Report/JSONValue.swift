/// What reports are made of, for scripts: JSON, or YAML of the same content.
public indirect enum JSONValue: Sendable, Hashable {
    /// Nothing.
    case null
    /// True or false.
    case bool(Bool)
    /// A number, never rounded.
    case number(Int64)
    /// A size or an offset.
    case size(UInt64)
    /// Text.
    case text(String)
    /// Values in order.
    case list([JSONValue])
    /// Values by name, in display order.
    case object([Field])

    /// A name and its value.
    public struct Field: Sendable, Hashable {
        /// The name.
        public let name: String
        /// The value.
        public let value: JSONValue
    }

    /// An object of these fields.
    public static func fields(_ fields: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(fields.map { Field(name: $0.key, value: $0.value) })
    }

    /// Text, or null.
    public static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.text) ?? .null }

    /// A list of texts.
    public static func texts(_ texts: some Sequence<String>) -> JSONValue { .list(texts.map(JSONValue.text)) }

    /// One line of JSON.
    public var compact: String { json(indent: nil, depth: 0) }

    /// JSON for people.
    public var pretty: String { json(indent: "  ", depth: 0) }

    /// YAML: blocks, with every text in double quotes as in JSON.
    public var yaml: String { yamlLines().joined(separator: "\n") }

    private func json(indent: String?, depth: Int) -> String {
        switch self {
        case .list(let values) where !values.isEmpty:
            return Self.block("[", "]", values.map { $0.json(indent: indent, depth: depth + 1) }, indent, depth)
        case .object(let fields) where !fields.isEmpty:
            let separator = indent == nil ? ":" : ": "
            let items = fields.map {
                Self.quoted($0.name) + separator + $0.value.json(indent: indent, depth: depth + 1)
            }
            return Self.block("{", "}", items, indent, depth)
        default: return scalar
        }
    }

    private static func block(_ open: String, _ close: String, _ items: [String], _ indent: String?, _ depth: Int)
        -> String
    {
        guard let indent else { return open + items.joined(separator: ",") + close }
        let margin = "\n" + String(repeating: indent, count: depth + 1)
        return open + margin + items.joined(separator: "," + margin) + "\n" + String(repeating: indent, count: depth)
            + close
    }

    private var scalar: String {
        switch self {
        case .null: "null"
        case .bool(let flag): flag ? "true" : "false"
        case .number(let number): "\(number)"
        case .size(let size): "\(size)"
        case .text(let text): Self.quoted(text)
        case .list: "[]"
        case .object: "{}"
        }
    }

    private func yamlLines() -> [String] {
        switch self {
        case .list(let values) where !values.isEmpty:
            return values.flatMap { Self.hanging("- ", $0.yamlLines()) }
        case .object(let fields) where !fields.isEmpty:
            return fields.flatMap { field -> [String] in
                let lines = field.value.yamlLines()
                guard field.value.isBlock else { return [Self.quoted(field.name) + ": " + (lines.first ?? "")] }
                return [Self.quoted(field.name) + ":"] + lines.map { "  " + $0 }
            }
        default: return [scalar]
        }
    }

    private var isBlock: Bool {
        switch self {
        case .list(let values): !values.isEmpty
        case .object(let fields): !fields.isEmpty
        default: false
        }
    }

    private static func hanging(_ mark: String, _ lines: [String]) -> [String] {
        lines.enumerated().map { ($0.offset == 0 ? mark : "  ") + $0.element }
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 32 || scalar.value == 127:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
