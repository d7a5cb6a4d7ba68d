internal import ExactText
internal import FoundationEssentials
internal import JSON
internal import OrderedCollections

/// What an error is about, as one of its details.
///
/// Implements `google.rpc.ResourceInfo`, of which only the name is told: field 2, a text.
struct ResourceInfo: Sendable {
    /// The resource.
    let name: String

    private static let type = "google.rpc.ResourceInfo"
    /// Field 2, a length and bytes.
    private static let nameTag: UInt8 = 2 << 3 | 2

    /// Names a resource.
    init(name: String) {
        self.name = name
    }

    /// Reads a detail; `nil` for one of another type, and for one without a name.
    init?(_ detail: JSONValue) {
        guard case .string(let type) = detail["type"], type.isExactly(Self.type),
            case .string(let value) = detail["value"],
            // Connect writes no padding, and reads both.
            let message = Data(base64Encoded: value + String(repeating: "=", count: (4 - value.utf8.count % 4) % 4))
        else { return nil }
        var bytes = [UInt8](message)[...]
        while let tag = bytes.popFirst() {
            guard tag & 7 == 2, let count = Self.number(&bytes), count <= bytes.count else { return nil }
            if tag == Self.nameTag {
                name = String(decoding: bytes.prefix(count), as: UTF8.self)
                return
            }
            bytes = bytes.dropFirst(count)
        }
        return nil
    }

    /// As Connect writes it.
    var detail: JSONValue {
        var message = [Self.nameTag]
        var count = name.utf8.count
        while count > 0x7F {
            message.append(UInt8(count & 0x7F) | 0x80)
            count >>= 7
        }
        message.append(UInt8(count))
        message += name.utf8
        var value = Data(message).base64EncodedString()
        while value.last == "=" { value.removeLast() }
        return .object(["type": .string(Self.type), "value": .string(value)])
    }

    /// A number in groups of seven bits; `nil` for one that ends too soon, or is no length of a name.
    private static func number(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        var number = 0
        for shift in [0, 7, 14] {
            guard let byte = bytes.popFirst() else { return nil }
            number |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return number }
        }
        return nil
    }
}
