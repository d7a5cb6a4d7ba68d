internal import ExactText
internal import JSON
internal import OrderedCollections

/// A field of a message: its name and its conversion from and to JSON.
package struct Field<Holder>: Sendable {
    typealias Path<Value> = any WritableKeyPath<Holder, Value> & Sendable

    /// Its name in JSON: `volumeId`.
    let name: String
    /// Its name in the proto file, which JSON may also use: `volume_id`.
    let protoName: String
    /// The name of the `oneof` that it belongs to; only one of its fields may be set.
    let oneof: String?
    /// Whether a message is refused that lacks it or has its default.
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
    func value(in members: JSONObject) throws(FieldError) -> JSONValue? {
        guard protoName != name, let other = members[name: protoName] else { return members[name: name] }
        guard members[name: name] == nil else {
            throw FieldError("given twice, also as '\(protoName)'", at: name)
        }
        return other
    }
}
