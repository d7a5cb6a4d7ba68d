/// An object's uid in as little memory as it needs: sixteen bytes for the API server's UUIDs, where a string has eighty.
struct ObjectUID: Sendable, Hashable {
    private enum Form: Sendable, Hashable {
        case uuid(UInt64, UInt64)
        case other(String)
    }

    private let form: Form

    private static let length = 36
    private static let hyphens: Set<Int> = [8, 13, 18, 23]
    private static let hyphen = UInt8(ascii: "-")
    private static let digits = Array("0123456789abcdef".utf8)

    /// Reads a uid in the server's form; what is not a UUID in lower case is kept as a string.
    init(_ text: String) {
        form = Self.halves(text).map { .uuid($0.0, $0.1) } ?? .other(text)
    }

    var text: String {
        guard case .uuid(let high, let low) = form else {
            if case .other(let text) = form { return text }
            return ""
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.length)
        for digit in 0..<32 {
            if Self.hyphens.contains(bytes.count) { bytes.append(Self.hyphen) }
            let half = digit < 16 ? high : low
            bytes.append(Self.digits[Int(half >> UInt64(60 - digit % 16 * 4) & 0xF)])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func halves(_ text: String) -> (UInt64, UInt64)? {
        guard text.utf8.count == length else { return nil }
        var halves: (UInt64, UInt64) = (0, 0)
        for (place, byte) in text.utf8.enumerated() {
            if hyphens.contains(place) {
                guard byte == hyphen else { return nil }
                continue
            }
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: return nil
            }
            halves = (halves.0 << 4 | halves.1 >> 60, halves.1 << 4 | UInt64(digit))
        }
        return halves
    }
}
