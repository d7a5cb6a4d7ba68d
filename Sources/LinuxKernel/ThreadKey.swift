internal import CLinux
internal import SystemPackage

/// Keys in the keyring of the calling thread, which no other thread can use and nobody can read back.
///
/// See: keyrings(7), thread-keyring(7).
public enum ThreadKey {
    /// Has a key there while `body` runs; it is gone afterwards, also from the kernel's memory.
    ///
    /// - Parameters:
    ///   - type: The kernel's name of the kind: `ceph`, `user`.
    ///   - description: By what the kernel is told of it; `/proc/keys` shows it.
    ///   - payload: What must not be seen.
    ///   - body: Runs on this thread.
    /// - Returns: What `body` returns.
    /// - Throws: `KernelError` of `add_key`, or what `body` throws.
    public static func with<R>(
        type: String,
        description: String,
        payload: UnsafeRawBufferPointer,
        _ body: () throws(KernelError) -> R
    ) throws(KernelError) -> R {
        let serial = try accepted(
            "add_key",
            description,
            clinux_add_thread_key(type, description, payload.baseAddress, payload.count)
        )
        defer { _ = clinux_forget_thread_key(serial) }
        return try body()
    }
}
