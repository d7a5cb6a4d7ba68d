package import OrderedCollections

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
    case object(OrderedDictionary<String, JSONValue>)

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
        return members[name]
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
