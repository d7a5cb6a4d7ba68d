/// A value in LVM's configuration syntax, in which every physical volume describes its volume group.
enum LVMValue: Sendable, Hashable {
    case text(String)
    case number(Int64)
    case list([LVMValue])
    case section([String: LVMValue])

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var number: UInt64? { if case .number(let number) = self { UInt64(exactly: number) } else { nil } }
    var list: [LVMValue] { if case .list(let list) = self { list } else { [] } }
    var section: [String: LVMValue] { if case .section(let section) = self { section } else { [:] } }
    subscript(_ key: String) -> LVMValue? { section[key] }
}

/// Reads `key = value`, `key { … }` and `key = [ … ]`; depth and size are limited, because the bytes are untrusted.
///
/// See: lvm2 libdm/libdm-config.c.
struct LVMParser {
    private static let maximumDepth = 16
    private let bytes: [UInt8]
    private var position = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The whole text; `nil` if it is not in this syntax.
    static func parse(_ bytes: [UInt8]) -> [String: LVMValue]? {
        var parser = LVMParser(bytes)
        return parser.section(depth: 0, isWhole: true)
    }

    private mutating func section(depth: Int, isWhole: Bool) -> [String: LVMValue]? {
        var values: [String: LVMValue] = [:]
        while true {
            skipBlank()
            guard let byte = peek, byte != 0 else { return isWhole ? values : nil }
            if byte == UInt8(ascii: "}") {
                position += 1
                return isWhole ? nil : values
            }
            guard let key = word(), depth < Self.maximumDepth else { return nil }
            skipBlank()
            switch peek {
            case UInt8(ascii: "{"):
                position += 1
                guard let inner = section(depth: depth + 1, isWhole: false) else { return nil }
                values[key] = .section(inner)
            case UInt8(ascii: "="):
                position += 1
                guard let value = value() else { return nil }
                values[key] = value
            default: return nil
            }
        }
    }

    private mutating func value() -> LVMValue? {
        skipBlank()
        guard peek == UInt8(ascii: "[") else { return scalar() }
        position += 1
        var list: [LVMValue] = []
        while true {
            skipBlank()
            if peek == UInt8(ascii: "]") {
                position += 1
                return .list(list)
            }
            if peek == UInt8(ascii: ",") {
                position += 1
                continue
            }
            guard let item = scalar() else { return nil }
            list.append(item)
        }
    }

    private mutating func scalar() -> LVMValue? {
        if peek == UInt8(ascii: "\"") { return quoted().map(LVMValue.text) }
        guard let word = word() else { return nil }
        return Int64(word).map(LVMValue.number) ?? .text(word)
    }

    private mutating func quoted() -> String? {
        position += 1
        var text: [UInt8] = []
        while let byte = peek {
            position += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self).printable }
            if byte == UInt8(ascii: "\\"), let next = peek {
                position += 1
                text.append(next)
            } else {
                text.append(byte)
            }
        }
        return nil
    }

    private mutating func word() -> String? {
        let start = position
        while let byte = peek, !Self.ends(byte) { position += 1 }
        return position > start ? String(decoding: bytes[start..<position], as: UTF8.self).printable : nil
    }

    private static func ends(_ byte: UInt8) -> Bool {
        byte <= 32 || "={}[],\"#".utf8.contains(byte)
    }

    private mutating func skipBlank() {
        while let byte = peek {
            if byte == UInt8(ascii: "#") {
                while let next = peek, next != UInt8(ascii: "\n") { position += 1 }
            } else if byte == 0 || byte > 32 {
                return
            } else {
                position += 1
            }
        }
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }
}
