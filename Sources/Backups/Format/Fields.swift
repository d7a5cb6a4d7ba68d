internal import ExactText
internal import JSON
internal import OrderedCollections

/// Reads the members of a JSON document of a backup.
struct Fields {
    private let members: JSONObject

    init(parsing bytes: [UInt8]) throws(Damage) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Damage("\(error)")
        }
        guard case .object(let members) = value else { throw Damage("it is no JSON object") }
        self.members = members
    }

    func optional(_ name: String) -> String? {
        guard case .string(let text)? = members[name: name] else { return nil }
        return text
    }

    func text(_ name: String) throws(Damage) -> String {
        guard let text = optional(name) else { throw Damage("it lacks '\(name)'") }
        return text
    }

    func number(_ name: String) throws(Damage) -> UInt64 {
        guard case .number(let number)? = members[name: name], let value = number.int64, value >= 0 else {
            throw Damage("its '\(name)' is no number")
        }
        return UInt64(value)
    }

    func texts(_ name: String) throws(Damage) -> [String: String] {
        guard case .object(let members)? = members[name: name] else { throw Damage("it lacks '\(name)'") }
        var texts: [String: String] = [:]
        for (key, value) in members {
            guard case .string(let text) = value else { throw Damage("a member of its '\(name)' is no text") }
            texts[key.text] = text
        }
        return texts
    }

    func list(_ name: String) throws(Damage) -> [String] {
        guard case .array(let elements)? = members[name: name] else { throw Damage("it lacks '\(name)'") }
        var texts: [String] = []
        for element in elements {
            guard case .string(let text) = element else { throw Damage("an element of its '\(name)' is no text") }
            texts.append(text)
        }
        return texts
    }

    func numbers(_ name: String) throws(Damage) -> [UInt64] {
        guard case .array(let elements)? = members[name: name] else { throw Damage("it lacks '\(name)'") }
        var numbers: [UInt64] = []
        numbers.reserveCapacity(elements.count)
        for element in elements {
            guard case .number(let number) = element, let value = number.int64, value >= 0 else {
                throw Damage("an element of its '\(name)' is no number")
            }
            numbers.append(UInt64(value))
        }
        return numbers
    }
}

/// Documents whose last member is the SHA-256 of all bytes before `,"checksum":`.
enum SignedDocument {
    private static let before = Array(#","checksum":""#.utf8)
    private static let end = Array("\"}\n".utf8)

    /// The document of these members, in their order.
    static func bytes(_ members: [(String, JSONValue)]) -> [UInt8] {
        var object: JSONObject = [:]
        for (name, value) in members { object[name: name] = value }
        let body = Array(JSONValue.object(object).bytes.dropLast())
        return body + before + Array("\(Digest(of: body))".utf8) + end
    }

    /// Reads one, and checks its checksum.
    static func fields(_ bytes: [UInt8]) throws(Damage) -> Fields {
        let tail = before.count + 2 * Digest.byteCount + end.count
        guard bytes.count > tail else { throw Damage("it is cut off") }
        let body = Array(bytes.dropLast(tail))
        let rest = bytes.suffix(tail)
        let digits = String(decoding: rest.dropFirst(before.count).dropLast(end.count), as: UTF8.self)
        guard rest.starts(with: before), rest.suffix(end.count).elementsEqual(end),
            let checksum = Digest(parsing: digits)
        else { throw Damage("it does not end in its checksum") }
        guard Digest(of: body) == checksum else { throw Damage("it has not the checksum that it ends in") }
        return try Fields(parsing: body + Array("}".utf8))
    }
}
