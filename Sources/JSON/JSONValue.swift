package import ExactText
package import OrderedCollections

/// Members by name, in the order they came; names that differ in a byte are two.
package typealias JSONObject = OrderedDictionary<ExactText, JSONValue>

/// A JSON document, or a part of one.
///
/// Objects keep the order of their members, and numbers keep their exact text, so that no information is lost. A value
/// may hold secrets, so it has no description and no mirror.
package enum JSONValue: Sendable, Hashable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number, as written.
    case number(JSONNumber)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object.
    case object(JSONObject)

    /// What it is, for a message: `a string`.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The member of that name; `nil` if there is none, or this is no object.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[name: name]
    }
}

extension JSONValue {
    /// Whether both are written with the same bytes, but for the order of members.
    package static func == (one: JSONValue, other: JSONValue) -> Bool {
        switch (one, other) {
        case (.null, .null): true
        case (.bool(let one), .bool(let other)): one == other
        case (.number(let one), .number(let other)): one == other
        case (.string(let one), .string(let other)): one.isExactly(other)
        case (.array(let one), .array(let other)): one == other
        case (.object(let one), .object(let other)): one == other
        default: false
        }
    }

    /// Feeds what `==` compares.
    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .number(let number): hasher.combine(number)
        case .string(let text): hasher.combine(ExactText(text))
        case .array(let elements): hasher.combine(elements)
        case .object(let members): hasher.combine(members)
        }
    }
}

extension JSONObject {
    /// The member of that name.
    package subscript(name name: String) -> JSONValue? {
        get { self[ExactText(name)] }
        set { self[ExactText(name)] = newValue }
    }
}

extension JSONValue: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Its kind alone: the content may be secret.
    package var description: String { kind }

    /// Its kind alone: the content may be secret.
    package var debugDescription: String { kind }

    /// Always empty: the content may be secret.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A document that is not JSON: the offset of the error, and what was expected there.
package struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Bytes before the place.
    package let offset: Int
    /// What should have come: `',' or '}'`.
    package let expected: String

    /// For a person; holds nothing of the document.
    package var description: String { "invalid JSON at byte \(offset): expected \(expected)" }
}
