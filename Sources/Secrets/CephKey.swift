/// A cephx key: what `ceph auth get-key` prints, and what is in it.
package enum CephKey {
    /// The kinds of keys that Ceph makes.
    package enum Kind: UInt8, Sendable {
        /// 28 bytes, 40 characters of base64: every release up to 19, and later ones with `--key-type aes`.
        case aes = 1
        /// 44 bytes, 60 characters of base64: the usual kind from release 20 on.
        case aes256k = 2

        fileprivate var secretBytes: Int { self == .aes ? 16 : 32 }
    }

    /// Calls `body` with the decoded key, as the kernel expects it; returns `nil` if Ceph could not decode the key.
    package static func withDecoded<R, Failure: Error>(
        _ key: Secret,
        _ body: (Secret) throws(Failure) -> R
    ) throws(Failure) -> R? {
        guard let decoded = key.withBytes({ decode($0, Secret.init) }) else { return nil }
        return try body(decoded)
    }

    /// What kind of key it is; nothing when it is none.
    package static func kind(of key: Secret) -> Kind? {
        key.withBytes { text in decode(text) { kind(ofDecoded: $0) } } ?? nil
    }

    /// The characters of a key that Ceph reads: up to and including its padding.
    ///
    /// See: armor.c, `ceph_unarmor`, which stops at the first `=`.
    static func armored(_ text: some Collection<UInt8>) -> [UInt8]? {
        var characters: [UInt8] = []
        // Reserved at once: the old memory of an array that grows would not be wiped.
        characters.reserveCapacity(min(text.count, longest))
        let padding = UInt8(ascii: "=")
        for byte in text where byte != 0x0A {
            guard byte == padding || sixBits(byte) != nil, characters.count < longest else { return nil }
            characters.append(byte)
            guard characters.count.isMultiple(of: 4) else { continue }
            let end = characters.suffix(4)
            let paddings = end.count { $0 == padding }
            guard paddings > 0 else { continue }
            return paddings <= 2 && end.suffix(paddings).allSatisfy { $0 == padding } ? characters : nil
        }
        return !characters.isEmpty && characters.count.isMultiple(of: 4) ? characters : nil
    }

    /// Whether a text that should not be a key contains one, or most of one; such a text must not be shown.
    ///
    /// A key begins with its type and a time, so its first characters are known; a key that was encoded twice is found
    /// too.
    package static func isIn(_ text: String) -> Bool {
        text.utf8.split { sixBits($0) == nil && $0 != UInt8(ascii: "=") }.contains { run in
            var rest = run[...]
            while rest.count >= leastTelling {
                if begins(rest) || beginsTwiceEncoded(rest) { return true }
                rest = rest.dropFirst()
            }
            return false
        }
    }

    /// Longer than a name that begins so by chance; an aes key has 40.
    private static let leastTelling = 24
    private static let longest = 1024

    private static func begins(_ text: some Collection<UInt8>) -> Bool {
        let first = text.prefix(3).compactMap(sixBits)
        guard first.count == 3 else { return false }
        let kind = UInt8(truncatingIfNeeded: first[0] << 2 | first[1] >> 4)
        let highByte = UInt8(truncatingIfNeeded: first[1] << 4 | first[2] >> 2)
        return Kind(rawValue: kind) != nil && highByte == 0
    }

    private static func beginsTwiceEncoded(_ text: some Collection<UInt8>) -> Bool {
        let usable = Array(text.prefix(min(text.count / 4 * 4, longest)))
        return usable.withUnsafeBytes { bytes in
            decode(bytes) { $0.count >= leastTelling * 3 / 4 && begins($0) }
        } ?? false
    }

    private static func kind(ofDecoded bytes: UnsafeRawBufferPointer) -> Kind? {
        // Type, time of 8 bytes, length, secret; numbers are little-endian.
        guard bytes.count >= 12, bytes[1] == 0, let kind = Kind(rawValue: bytes[0]) else { return nil }
        guard bytes[10] == UInt8(kind.secretBytes), bytes[11] == 0 else { return nil }
        return bytes.count == 12 + kind.secretBytes ? kind : nil
    }

    private static func decode<R>(_ text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> R) -> R? {
        guard let characters = armored(text) else { return nil }
        // All of a key's bytes are on the stack, and wiped.
        return withUnsafeTemporaryAllocation(byteCount: longest, alignment: 16) { buffer -> R? in
            defer { buffer.initializeMemory(as: UInt8.self, repeating: 0) }
            var count = 0
            var bits: UInt32 = 0
            var held = 0
            for byte in characters {
                guard let value = sixBits(byte) else { break }
                bits = bits << 6 | value
                held += 6
                guard held >= 8 else { continue }
                held -= 8
                buffer[count] = UInt8(truncatingIfNeeded: bits >> UInt32(held))
                count += 1
            }
            guard count > 0 else { return nil }
            return body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    private static func sixBits(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
