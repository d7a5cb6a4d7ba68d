internal import JSON
internal import OrderedCollections

/// A field of a message: its name and the way from and to JSON.
package struct Field<Holder>: Sendable {
    typealias Path<Value> = any WritableKeyPath<Holder, Value> & Sendable

    /// Its name in JSON: `volumeId`.
    let name: String
    /// Its name in the proto, which JSON may use too: `volume_id`.
    let protoName: String
    /// The fields of which one alone may be set have this name in common.
    let oneof: String?
    /// Whether a message without it, or with its default, is refused.
    let isRequired: Bool
    /// Puts a value that is not null into the message.
    let read: @Sendable (JSONValue, inout Holder) throws(FieldError) -> Void
    /// The value; `nil` for the default.
    let write: @Sendable (Holder) -> JSONValue?

    init(
        _ name: String,
        oneof: String? = nil,
        required: Bool = false,
        read: @escaping @Sendable (JSONValue, inout Holder) throws(FieldError) -> Void,
        write: @escaping @Sendable (Holder) -> JSONValue?
    ) {
        self.name = name
        self.oneof = oneof
        isRequired = required
        self.read = read
        self.write = write
        var protoName = ""
        for character in name {
            if character.isUppercase { protoName += "_" }
            protoName += character.lowercased()
        }
        self.protoName = protoName
    }

    /// The field's member, under either name.
    func value(in members: OrderedDictionary<String, JSONValue>) throws(FieldError) -> JSONValue? {
        guard protoName != name, let other = members[protoName] else { return members[name] }
        guard members[name] == nil else {
            throw FieldError("given twice, also as '\(protoName)'", at: name)
        }
        return other
    }
}
