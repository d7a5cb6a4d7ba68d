internal import CLinux
internal import SystemPackage

/// Keys in the keyring of the calling thread, which other threads cannot use and no process can read.
///
/// See: keyrings(7), thread-keyring(7).
public enum ThreadKey {
    /// Adds a key while `body` runs, and removes it afterwards, also from the kernel's memory.
    ///
    /// - Parameters:
    ///   - type: The kernel's key type: `ceph`, `user`.
    ///   - description: The key's description for the kernel, visible in `/proc/keys`.
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
