internal import ExactText
package import JSON
internal import OrderedCollections

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    /// A string.
    package init(stringLiteral value: String) { self = .string(value) }
}

extension JSONValue: ExpressibleByBooleanLiteral {
    /// `true` or `false`.
    package init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSONValue: ExpressibleByIntegerLiteral {
    /// A whole number.
    package init(integerLiteral value: Int64) { self = .number(JSONNumber(value)) }
}

// No ExpressibleByNilLiteral: in a merge patch `null` removes a field, and `condition ? value : nil` would do so by
// mistake.

extension JSONValue: ExpressibleByArrayLiteral {
    /// An array.
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
}

extension JSONValue: ExpressibleByDictionaryLiteral {
    /// An object; of two members with the same name, the later one counts.
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(JSONObject(elements.map { (ExactText($0.0), $0.1) }, uniquingKeysWith: { $1 }))
    }
}

extension JSONValue {
    /// An object of strings, in the order of their names.
    package init(_ strings: [String: String]) {
        let members = strings.map { (ExactText($0.key), JSONValue.string($0.value)) }.sorted { $0.0 < $1.0 }
        self = .object(JSONObject(uniqueKeysWithValues: members))
    }

    /// An array of strings.
    package init(_ strings: [String]) {
        self = .array(strings.map { .string($0) })
    }

    /// The string that this is.
    package var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The truth value that this is.
    package var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The whole number that this is.
    package var int64: Int64? {
        guard case .number(let number) = self else { return nil }
        return number.int64
    }

    /// The elements of an array; empty for other values.
    package var elements: [JSONValue] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }

    /// The strings of an array; other elements are omitted.
    package var strings: [String] { elements.compactMap(\.string) }

    /// The members of an object whose values are strings.
    package var stringMembers: [String: String] {
        guard case .object(let members) = self else { return [:] }
        var strings: [String: String] = [:]
        for (name, value) in members {
            if let value = value.string { strings[name.text] = value }
        }
        return strings
    }

    /// The member at the end of a path: `value["spec", "claimRef", "uid"]`.
    package subscript(_ path: String...) -> JSONValue? {
        var value: JSONValue? = self
        for name in path { value = value?[name] }
        return value
    }

    /// The object with a member added or replaced.
    package func with(_ name: String, _ value: JSONValue?) -> JSONValue {
        guard case .object(var members) = self, let value else { return self }
        members[name: name] = value
        return .object(members)
    }
}
