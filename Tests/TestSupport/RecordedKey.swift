import Foundation

/// Keys that Ceph itself made; no cluster ever had them.
public enum RecordedKey {
    /// `ceph-authtool --gen-print-key` of Debian 12's 16.2.15, three times.
    public static let aes = [
        "AQCc0Axr2KJ+JxAAJ/gxItdgxUha4QcIiSjZ/Q==", "AQCc0Axr9deQKhAA2KINq6ilgdpENACug74p6A==",
        "AQCc0Axr4CoULRAA4REdnp3ak5Grv8Xof+opBw==",
    ]
    /// `ceph-authtool --gen-print-key --key-type aes` of Debian sid's 20.2.4.
    public static let aesOfTentacle = "AQDp0Axr3NruGhAAeFMl7Iade6OisUN9AupCdw=="
    /// `ceph-authtool --gen-print-key --key-type aes256k` of Debian sid's 20.2.4, twice, and once without the type.
    public static let aes256k = [
        "AgDp0AxrizoxFCAAalTATMVJRpzESGcP/ZxdrEK0j8RQ5AHob/qpk1vX3JY=",
        "AgDp0AxraVotFiAAYVoJ1uYGy0HN49J6CIEQfMB4cTxglkk21hveWva9qsk=",
        "AgDp0AxrI70lGCAANBdsgczdATcReQLZ7IezeRDzZUTh+MPQt17d6jbQcNY=",
    ]
    /// All of them.
    public static let all = aes + [aesOfTentacle] + aes256k
    /// One of each type.
    public static let eachType = [aes[0], aes256k[0]]

    /// A key as people paste it where it does not belong, by the name of the mishap.
    public static func pasted(_ key: String) -> [(how: String, text: String)] {
        let middle = key.index(key.startIndex, offsetBy: 22)
        let unpadded = String(key.prefix { $0 != "=" })
        return [
            ("as it is", key), ("with a line's end", "\(key)\n"), ("with white space around", "  \t\(key) \r\n"),
            ("in two lines", "\(key[..<middle])\n\(key[middle...])"),
            ("in two words", "\(key[..<middle]) \(key[middle...])"),
            ("in lines of ten", lines(key)), ("without padding", unpadded), ("cut off", String(key.dropLast(8))),
            ("behind a name", "client.\(key)"), ("behind a word", "key=\(key)"), ("glued to a word", "node\(key)"),
            ("in a sentence", "the key \(unpadded) is what I was given"),
            ("a keyring", "[client.nacre]\n\tkey = \(key)\n\tcaps mon = \"profile rbd\"\n"),
            ("in quotes", "\"\(key)\""), ("in an address", "rbd:\(key.split(separator: "/").joined(separator: "%2F"))"),
        ]
    }

    private static func lines(_ key: String) -> String {
        var lines = ""
        for (index, character) in key.enumerated() {
            if index > 0, index.isMultiple(of: 10) { lines += "\n" }
            lines.append(character)
        }
        return lines
    }

    /// Whether bytes have a piece of the key's secret part in them, as text or decoded.
    public static func isLeaked(_ key: String, in bytes: [UInt8]) -> Bool {
        // The head, 16 characters, is a type, a time and a length.
        let secret = Array(key.utf8.dropFirst(16).prefix { $0 != UInt8(ascii: "=") })
        let text = bytes.filter { $0 > 0x20 }
        for start in 0...(secret.count - 10) where holds(text, Array(secret[start..<(start + 10)])) { return true }
        return holds(bytes, Array(decoded(key).dropFirst(12).prefix(10)))
    }

    /// The key's bytes.
    public static func decoded(_ key: String) -> [UInt8] {
        Data(base64Encoded: key).map { Array($0) } ?? []
    }

    private static func holds(_ bytes: [UInt8], _ piece: [UInt8]) -> Bool {
        guard bytes.count >= piece.count else { return false }
        return Data(bytes).range(of: Data(piece)) != nil
    }
}
