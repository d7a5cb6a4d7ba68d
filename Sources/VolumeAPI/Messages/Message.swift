internal import ExactText
package import JSON
internal import OrderedCollections

/// One of CSI's messages; one table describes its fields for both directions.
///
/// The mapping is ProtoJSON: names are in lowerCamelCase, and the proto's own names are accepted too. Defaults are
/// omitted, and `null` means the default. Unknown names are ignored.
package protocol Message: Sendable, Hashable {
    /// The message with every field at its default.
    init()

    /// Its fields, in the order of the proto's numbers.
    static var fields: [Field<Self>] { get }
}

extension Message {
    /// Reads the message.
    ///
    /// - Throws: `FieldError` that names the member at fault.
    package init(json: JSONValue) throws(FieldError) {
        guard case .object(let members) = json else { throw .expected("an object", found: json) }
        self.init()
        var chosen: [String: String] = [:]
        for field in Self.fields {
            if let value = try field.value(in: members), value != .null {
                if let oneof = field.oneof, let other = chosen.updateValue(field.name, forKey: oneof) {
                    throw FieldError("'\(other)' and '\(field.name)' exclude each other")
                }
                do throws(FieldError) {
                    try field.read(value, &self)
                } catch {
                    throw error.inside(field.name)
                }
            }
            guard !field.isRequired || field.write(self) != nil else {
                throw FieldError("missing or empty, but required", at: field.name)
            }
        }
    }

    /// The message as JSON.
    package var json: JSONValue {
        var members: JSONObject = [:]
        for field in Self.fields {
            if let value = field.write(self) { members[name: field.name] = value }
        }
        return .object(members)
    }
}

/// A message without fields.
package struct EmptyMessage: Message {
    /// The message.
    package init() {}

    /// None.
    package static let fields: [Field<Self>] = []
}
