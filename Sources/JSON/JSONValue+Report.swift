internal import ExactText
internal import OrderedCollections

/// Values of what a report tells.
extension JSONValue {
    /// An object of these members, in this order; of two with the same name, the later one counts.
    package static func fields(_ fields: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(JSONObject(fields.map { (ExactText($0.key), $0.value) }, uniquingKeysWith: { $1 }))
    }

    /// An object of strings, in the order of their names.
    package static func sorted(_ texts: [String: String]) -> JSONValue {
        let members = texts.map { (ExactText($0.key), JSONValue.string($0.value)) }.sorted { $0.0 < $1.0 }
        return .object(JSONObject(uniqueKeysWithValues: members))
    }

    /// A string, or null.
    package static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }

    /// An array of strings.
    package static func texts(_ texts: some Sequence<String>) -> JSONValue { .array(texts.map(JSONValue.string)) }

    /// A whole number.
    package static func integer(_ number: Int64) -> JSONValue { .number(JSONNumber(number)) }

    /// A size or an offset.
    package static func size(_ bytes: UInt64) -> JSONValue { .number(JSONNumber(bytes)) }
}
