import Glibc

/// Bytes that must not be shown: a Ceph key, a passphrase, a token.
///
/// It cannot be printed or encoded, has no mirror, and overwrites its memory when the last copy is released.
public struct Secret: Sendable, Hashable {
    private let storage: Storage

    /// Keeps a copy of `bytes`.
    public init(_ bytes: some Collection<UInt8>) {
        storage = Storage(bytes)
    }

    /// Keeps the UTF-8 bytes of `string`.
    public init(_ string: String) {
        storage = Storage(Array(string.utf8))
    }

    /// Whether there is nothing in it.
    public var isEmpty: Bool { storage.count == 0 }

    /// Calls `body` with the bytes, which are valid only during the call.
    public func withBytes<R, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
    ) throws(Failure) -> R {
        try body(UnsafeRawBufferPointer(start: storage.base, count: storage.count))
    }

    /// Calls `body` with the bytes as a zero-terminated C string, which is valid only during the call.
    public func withCString<R, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> R
    ) throws(Failure) -> R {
        try body(UnsafePointer(storage.base.assumingMemoryBound(to: CChar.self)))
    }

    /// Compares in a time that depends only on the lengths.
    public static func == (left: Secret, right: Secret) -> Bool {
        guard left.storage.count == right.storage.count else { return false }
        var difference: UInt8 = 0
        left.withBytes { l in
            right.withBytes { r in
                for index in 0..<l.count { difference |= l[index] ^ r[index] }
            }
        }
        return difference == 0
    }

    /// Hashes only the length, so that a hash value reveals nothing about the bytes.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(storage.count)
    }

    private final class Storage: Sendable {
        /// Written once in `init`, wiped in `deinit`, only read in between: safe to share.
        nonisolated(unsafe) let base: UnsafeMutableRawPointer
        let count: Int

        init(_ bytes: some Collection<UInt8>) {
            count = bytes.count
            base = UnsafeMutableRawPointer.allocate(byteCount: count + 1, alignment: 16)
            UnsafeMutableRawBufferPointer(start: base, count: count).copyBytes(from: bytes)
            base.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
        }

        deinit {
            explicit_bzero(base, count)
            base.deallocate()
        }
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Always `<redacted>`.
    public var description: String { "<redacted>" }

    /// Always `<redacted>`.
    public var debugDescription: String { "<redacted>" }

    /// Always empty.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
