internal import ExactText
internal import JSON
internal import OrderedCollections
internal import Secrets

extension Field {
    /// A message within the message; one of several when `oneof` is given.
    static func message<Value: Message>(
        _ name: String,
        _ path: Path<Value?>,
        oneof: String? = nil,
        required: Bool = false
    ) -> Field {
        Field(name, oneof: oneof, required: required) { value, holder throws(FieldError) in
            holder[keyPath: path] = try Value(json: value)
        } write: { holder in
            holder[keyPath: path]?.json
        }
    }

    /// Messages within the message.
    static func messages<Value: Message>(
        _ name: String,
        _ path: Path<[Value]>,
        required: Bool = false
    ) -> Field {
        Field(name, required: required) { value, holder throws(FieldError) in
            var messages: [Value] = []
            for (index, element) in try elements(value).enumerated() {
                do throws(FieldError) {
                    messages.append(try Value(json: element))
                } catch {
                    throw error.inside("[\(index)]")
                }
            }
            holder[keyPath: path] = messages
        } write: { holder in
            let messages = holder[keyPath: path]
            return messages.isEmpty ? nil : .array(messages.map(\.json))
        }
    }

    /// A map from string to string, at most 4 KiB.
    static func map(_ name: String, _ path: Path<[String: String]>) -> Field {
        Field(name) { value, holder throws(FieldError) in
            var map: [String: String] = [:]
            for (name, value) in try members(value) {
                let key = name.text
                // No key of Nacre's has control characters, and they would break the line of every message about it.
                guard !key.unicodeScalars.contains(where: \.isControl) else {
                    throw FieldError("a key holds control characters")
                }
                guard !CephKey.isIn(key) else { throw .holdsKey }
                guard case .string(let string) = value else {
                    throw .expected("a string", found: value).inside("['\(TextRule.short(key))']")
                }
                guard !CephKey.isIn(string) else { throw .holdsKey.inside("['\(TextRule.short(key))']") }
                // Swift's dictionaries would keep one of them, and nobody could say which.
                guard map.updateValue(string, forKey: key) == nil else {
                    throw FieldError("key '\(TextRule.short(key))' is given in two spellings that look alike; keep one")
                }
            }
            holder[keyPath: path] = map
        } write: { holder in
            let map = holder[keyPath: path]
            guard !map.isEmpty else { return nil }
            var members: JSONObject = [:]
            for (key, value) in map.sorted(by: { $0.key < $1.key }) { members[name: key] = .string(value) }
            return .object(members)
        }
    }

    /// A map whose values are secret, at most 4 KiB; error messages contain neither its keys nor its values.
    static func secrets(_ name: String, _ path: Path<[String: Secret]>) -> Field {
        Field(name) { value, holder throws(FieldError) in
            var secrets: [String: Secret] = [:]
            for (name, value) in try members(value) {
                let key = name.text
                guard !key.isEmpty, key.utf8.allSatisfy(isSecretKey) else {
                    throw FieldError("a key is not made of letters, digits, '.', '_' and '-' alone")
                }
                guard case .string(let string) = value else {
                    throw FieldError("expected strings as values, found \(value.kind)")
                }
                secrets[key] = Secret(string)
            }
            holder[keyPath: path] = secrets
        } write: { holder in
            let secrets = holder[keyPath: path]
            guard !secrets.isEmpty else { return nil }
            var members: JSONObject = [:]
            for (key, value) in secrets.sorted(by: { $0.key < $1.key }) {
                members[name: key] = .string(unsafe value.withBytes { unsafe String(decoding: $0, as: UTF8.self) })
            }
            return .object(members)
        }
    }

    /// CSI: size limits, a map.
    private static var largestMapBytes: Int { 4096 }

    private static func members(_ value: JSONValue) throws(FieldError) -> JSONObject {
        guard case .object(let members) = value else { throw .expected("an object", found: value) }
        var total = 0
        for (key, value) in members {
            total += key.text.utf8.count
            if case .string(let string) = value { total += string.utf8.count }
        }
        guard total <= largestMapBytes else {
            throw FieldError("\(total) bytes of keys and values, the limit is \(largestMapBytes)")
        }
        return members
    }

    /// CSI: SecretKey, as in a Kubernetes Secret.
    private static func isSecretKey(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
