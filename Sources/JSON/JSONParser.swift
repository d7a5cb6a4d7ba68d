internal import ExactText
internal import OrderedCollections

extension JSONValue {
    /// Objects and arrays may be nested this deep.
    package static let deepestNesting = 64

    /// Reads a document (RFC 8259), strictly: one value, no duplicate names, valid UTF-8, no lone surrogates.
    ///
    /// Names are duplicates when they have the same bytes: é as one scalar and as two are two names, as to Kubernetes.
    ///
    /// - Throws: `JSONError` with the offset at which the document is not JSON.
    package init(parsing bytes: [UInt8]) throws(JSONError) {
        var parser = JSONParser(bytes: bytes)
        self = try parser.document()
    }
}

/// An element of an array that cannot be parsed, in a document that otherwise can.
package struct UnreadableElement: Sendable {
    /// The element as it came.
    package let bytes: [UInt8]
    /// What is wrong with it; the offset is relative to the document.
    package let error: JSONError
}

extension JSONValue {
    /// Reads a document as `init(parsing:)` does, but omits the elements of its array `name` that cannot be parsed.
    ///
    /// One bad object must not hide the others. The end of an element is found by its brackets and quotation marks.
    ///
    /// - Throws: `JSONError` if the document is malformed outside of that array's elements.
    package static func list(
        parsing bytes: [UInt8],
        elementsOf name: String
    ) throws(JSONError) -> (document: JSONValue, unreadable: [UnreadableElement]) {
        if let document = try? JSONValue(parsing: bytes) { return (document, []) }
        var parser = JSONParser(bytes: bytes, forgivingMember: name)
        return (try parser.document(), parser.unreadable)
    }
}

/// One pass over the bytes; recursion is bounded by `JSONValue.deepestNesting`.
private struct JSONParser {
    let bytes: [UInt8]
    var offset = 0
    /// The document's member whose elements may be unreadable.
    let forgivingMember: String?
    var unreadable: [UnreadableElement] = []

    init(bytes: [UInt8], forgivingMember: String? = nil) {
        self.bytes = bytes
        self.forgivingMember = forgivingMember
    }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw expected("the end") }
        return value
    }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private func expected(_ what: String, at place: Int? = nil) -> JSONError {
        JSONError(offset: place ?? offset, expected: what)
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func skip(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case .some(let byte) where byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
            return try number()
        default: throw expected("a value")
        }
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in word.description.utf8 {
            guard skip(byte) else { throw expected(word.description) }
        }
        return value
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        guard let end = JSONNumber.end(of: bytes[offset...]) else { throw expected("a number") }
        let text = String(decoding: bytes[offset..<end], as: UTF8.self)
        offset = end
        // Otherwise `01` and `1.2.3` would be reported as a missing comma.
        if let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".") {
            throw expected("the end of a number")
        }
        return .number(JSONNumber(unchecked: text))
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < JSONValue.deepestNesting else {
            throw expected("at most \(JSONValue.deepestNesting) levels of nesting")
        }
        offset += 1
        var elements: [JSONValue] = []
        skipSpace()
        if skip(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if skip(UInt8(ascii: "]")) { return .array(elements) }
            guard skip(UInt8(ascii: ",")) else { throw expected("',' or ']'") }
        }
    }

    private mutating func forgivingArray() throws(JSONError) -> JSONValue {
        offset += 1
        var elements: [JSONValue] = []
        skipSpace()
        if skip(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            skipSpace()
            let start = offset
            do throws(JSONError) {
                elements.append(try value(depth: 2))
            } catch {
                offset = start
                try skipElement()
                guard offset > start else { throw error }
                unreadable.append(UnreadableElement(bytes: Array(bytes[start..<offset]), error: error))
            }
            skipSpace()
            if skip(UInt8(ascii: "]")) { return .array(elements) }
            guard skip(UInt8(ascii: ",")) else { throw expected("',' or ']'") }
        }
    }

    /// Skips to the `,` or `]` that ends an element, whatever its content.
    private mutating func skipElement() throws(JSONError) {
        var depth = 0
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                while let inner = next, inner != UInt8(ascii: "\"") { offset += inner == UInt8(ascii: "\\") ? 2 : 1 }
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "]") where depth == 0, UInt8(ascii: ",") where depth == 0: return
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            offset += 1
        }
        throw expected("the end of an element")
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < JSONValue.deepestNesting else {
            throw expected("at most \(JSONValue.deepestNesting) levels of nesting")
        }
        offset += 1
        var members: JSONObject = [:]
        skipSpace()
        if skip(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            let start = offset
            guard next == UInt8(ascii: "\"") else { throw expected("a name in quotation marks") }
            let name = try string()
            skipSpace()
            guard skip(UInt8(ascii: ":")) else { throw expected("':'") }
            skipSpace()
            let isForgiving = depth == 0 && forgivingMember?.isExactly(name) == true && next == UInt8(ascii: "[")
            let value = try isForgiving ? forgivingArray() : value(depth: depth + 1)
            guard members.updateValue(value, forKey: ExactText(name)) == nil else {
                throw expected("a name that did not come before in this object", at: start)
            }
            skipSpace()
            if skip(UInt8(ascii: "}")) { return .object(members) }
            guard skip(UInt8(ascii: ",")) else { throw expected("',' or '}'") }
        }
    }

    private mutating func string() throws(JSONError) -> String {
        let start = offset
        offset += 1
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { offset += 1 }
        var content = bytes[(start + 1)..<offset]
        while true {
            switch next {
            case UInt8(ascii: "\""):
                offset += 1
                guard let string = String(validating: content, as: UTF8.self) else {
                    throw expected("a string of valid UTF-8", at: start)
                }
                return string
            case UInt8(ascii: "\\"):
                try escape(into: &content)
            case .some(let byte) where byte >= 0x20:
                content.append(byte)
                offset += 1
            case .some:
                throw expected("no control character in a string; escape it")
            case .none:
                throw expected("the '\"' that ends the string")
            }
        }
    }

    private mutating func escape(into content: inout ArraySlice<UInt8>) throws(JSONError) {
        let start = offset
        offset += 1
        let letter = next
        offset += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(bytes[start + 1])
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            let scalar = try scalar(escapedAt: start)
            content.append(contentsOf: String(scalar).utf8)
        default:
            throw expected("one of \" \\ / b f n r t u after a backslash", at: start + 1)
        }
    }

    private mutating func scalar(escapedAt start: Int) throws(JSONError) -> Unicode.Scalar {
        let first = try fourHexDigits()
        var code = UInt32(first)
        if (0xD800..<0xDC00).contains(first) {
            guard skip(UInt8(ascii: "\\")), skip(UInt8(ascii: "u")) else {
                throw expected("a low surrogate after a high one")
            }
            let second = try fourHexDigits()
            guard (0xDC00..<0xE000).contains(second) else {
                throw expected("a low surrogate after a high one", at: offset - 6)
            }
            code = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else {
            throw expected("a high surrogate before a low one", at: start)
        }
        return scalar
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch next {
            case .some(let byte) where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
                digit = byte - UInt8(ascii: "0")
            case .some(let byte) where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20):
                digit = (byte | 0x20) - UInt8(ascii: "a") + 10
            default:
                throw expected("four hexadecimal digits")
            }
            value = value << 4 | UInt16(digit)
            offset += 1
        }
        return value
    }
}
