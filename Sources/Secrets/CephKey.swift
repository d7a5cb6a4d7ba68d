/// A cephx key: what `ceph auth get-key` prints, and what is in it.
package enum CephKey {
    /// The kinds of keys that Ceph makes.
    package enum Kind: UInt8, Sendable {
        /// 28 bytes, 40 characters of base64: every release up to 19, and later ones with `--key-type aes`.
        case aes = 1
        /// 44 bytes, 60 characters of base64: the usual kind from release 20 on.
        case aes256k = 2

        var secretBytes: Int { self == .aes ? 16 : 32 }

        /// The characters of base64 that hold something, without padding.
        var characters: Int { (headBytes + secretBytes) * 4 / 3 + 1 }
    }

    /// A kind, a time of 8 bytes, a length; numbers are little-endian, and the secret follows.
    ///
    /// See: Crypto.h, `CryptoKey::decode`.
    static let headBytes = 12

    /// The kind by a key's first bytes, whose length must be that kind's and whose nanoseconds are less than a second.
    static func kind(ofHead bytes: some RandomAccessCollection<UInt8>) -> Kind? {
        guard bytes.count >= headBytes else { return nil }
        let head = Array(bytes.prefix(headBytes))
        guard head[1] == 0, head[11] == 0, let kind = Kind(rawValue: head[0]), head[10] == UInt8(kind.secretBytes)
        else {
            return nil
        }
        let nanoseconds = head[6..<10].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return nanoseconds < 1_000_000_000 ? kind : nil
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

    /// The characters of a key as Ceph prints them; the key may be wrapped, indented or without its padding.
    ///
    /// - Returns: `nil` if the text before its padding, its end or a comment is not exactly one key.
    static func printed(_ text: some Collection<UInt8>) -> [UInt8]? {
        var characters: [UInt8] = []
        characters.reserveCapacity(Kind.aes256k.characters + 2)
        for byte in text where !isSpace(byte) {
            guard sixBits(byte) != nil else { break }
            guard characters.count < Kind.aes256k.characters else { return nil }
            characters.append(byte)
        }
        let padding = (4 - characters.count % 4) % 4
        characters += repeatElement(UInt8(ascii: "="), count: padding)
        let found = characters.withUnsafeBytes { text -> Kind? in decode(text) { kind(ofDecoded: $0) } ?? nil }
        return found == nil ? nil : characters
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// The characters of a key that Ceph reads: up to and including its padding.
    ///
    /// See: armor.c, `ceph_unarmor`, which stops at the first `=`.
    static func armored(_ text: some Collection<UInt8>) -> [UInt8]? {
        var characters: [UInt8] = []
        // Reserved at once: the old memory of an array that grows would not be wiped.
        characters.reserveCapacity(min(text.count, longest))
        let padding = UInt8(ascii: "=")
        for byte in text where byte != 0x0A {
            guard byte == padding || sixBitsForCeph(byte) != nil, characters.count < longest else { return nil }
            characters.append(byte)
            guard characters.count.isMultiple(of: 4) else { continue }
            let end = characters.suffix(4)
            let paddings = end.count { $0 == padding }
            guard paddings > 0 else { continue }
            return paddings <= 2 && end.suffix(paddings).allSatisfy { $0 == padding } ? characters : nil
        }
        return !characters.isEmpty && characters.count.isMultiple(of: 4) ? characters : nil
    }

    private static let longest = 1024

    private static func kind(ofDecoded bytes: UnsafeRawBufferPointer) -> Kind? {
        guard let kind = kind(ofHead: bytes), bytes.count == headBytes + kind.secretBytes else { return nil }
        return kind
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
                guard let value = sixBitsForCeph(byte) else { break }
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

    /// What a character stands for that Ceph reads: also in the alphabet for addresses and file names (RFC 4648, 5).
    ///
    /// See: armor.c, `decode_bits`.
    static func sixBitsForCeph(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: sixBits(byte)
        }
    }

    /// What a character stands for that Ceph prints.
    static func sixBits(_ byte: UInt8) -> UInt32? {
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
