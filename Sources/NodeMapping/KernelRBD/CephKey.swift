internal import Secrets

/// A user's key as the kernel wants it: without its base64.
enum CephKey {
    /// Lends the decoded key to `body`; nothing when it is not base64.
    static func withDecoded<R, Failure: Error>(
        _ key: Secret,
        _ body: (Secret) throws(Failure) -> R
    ) throws(Failure) -> R? {
        guard let decoded = decode(key) else { return nil }
        return try body(decoded)
    }

    private static func decode(_ key: Secret) -> Secret? {
        key.withBytes { text in
            // 28 bytes for the keys of today; all of a sane key's bytes are on the stack, and wiped.
            withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 16) { buffer -> Secret? in
                defer { buffer.initializeMemory(as: UInt8.self, repeating: 0) }
                var count = 0
                var bits: UInt32 = 0
                var held = 0
                for byte in text {
                    if byte == UInt8(ascii: "=") || byte == 0x0A || byte == 0x20 { continue }
                    guard let value = sixBits(byte), count < buffer.count else { return nil }
                    bits = bits << 6 | value
                    held += 6
                    if held >= 8 {
                        held -= 8
                        buffer[count] = UInt8(truncatingIfNeeded: bits >> UInt32(held))
                        count += 1
                    }
                }
                guard count > 0 else { return nil }
                return Secret(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
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
