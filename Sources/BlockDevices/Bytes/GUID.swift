internal import ExactText

/// A UUID as GPT stores it: the first three groups in little-endian order.
public struct GUID: Sendable, Hashable, CustomStringConvertible {
    /// As on disk; always 16 bytes.
    public let bytes: [UInt8]

    /// Takes the 16 bytes on disk; `nil` for any other count.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Reads `CAFECAFE-9B03-4F30-B4C6-B4B80CEFF106`, in either case.
    public init?(text: String) {
        let groups = text.parts(at: "-")
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        let digits = Array(groups.joined().utf8)
        var plain: [UInt8] = []
        for index in stride(from: 0, to: 32, by: 2) {
            let pair = digits[index...(index + 1)]
            guard pair.allSatisfy({ Self.isHexadecimal($0) }),
                let value = UInt8(String(decoding: pair, as: UTF8.self), radix: 16)
            else { return nil }
            plain.append(value)
        }
        bytes = Self.swapped(plain)
    }

    /// A random one of version 4.
    public static func random(using generator: inout some RandomNumberGenerator) -> GUID {
        var plain = (0..<16).map { _ in UInt8.random(in: 0 ... .max, using: &generator) }
        plain[6] = plain[6] & 0x0F | 0x40
        plain[8] = plain[8] & 0x3F | 0x80
        return GUID(plain: plain)
    }

    private init(plain: [UInt8]) { bytes = Self.swapped(plain) }

    /// The one that marks unused entries.
    public static let zero = GUID(plain: [UInt8](repeating: 0, count: 16))

    /// In upper case, as sgdisk prints it.
    public var description: String {
        let digits = Self.swapped(bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
        return [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { digits[$0].joined() }.joined(separator: "-")
    }

    private static func swapped(_ bytes: [UInt8]) -> [UInt8] {
        [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map { bytes[$0] }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        case UInt8(ascii: "A")...UInt8(ascii: "F"): true
        default: false
        }
    }
}
