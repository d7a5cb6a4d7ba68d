internal import CRados
internal import Glibc
internal import SystemPackage

extension IOContext {
    /// Takes an advisory lock on an object for a time, or renews it.
    ///
    /// Blocks.
    ///
    /// Implements `rados_lock_exclusive` with `LIBRADOS_LOCK_FLAG_MAY_RENEW`. Similar to: rados lock get.
    ///
    /// - Parameters:
    ///   - name: The lock's name; an object can have many.
    ///   - object: The object; made when there is none.
    ///   - cookie: Tells us from ourselves.
    ///   - seconds: How long it lasts unless it is renewed, 1 or more.
    /// - Throws: `RADOSError` with `.resourceBusy` when another client, or another cookie, has it.
    public func lock(_ name: String, on object: String, cookie: String, seconds: Int) throws(RADOSError) {
        var duration = timeval(tv_sec: seconds, tv_usec: 0)
        let result = withRawContext { raw in
            rados_lock_exclusive(
                raw,
                object,
                name,
                cookie,
                "nacre",
                &duration,
                UInt8(LIBRADOS_LOCK_FLAG_MAY_RENEW)
            )
        }
        try check(result, "rados_lock_exclusive", "\(label)/\(object)")
    }

    /// Gives a lock back; one that has run out is fine.
    ///
    /// Blocks.
    ///
    /// Implements `rados_unlock`.
    public func unlock(_ name: String, on object: String, cookie: String) throws(RADOSError) {
        let result = withRawContext { rados_unlock($0, object, name, cookie) }
        guard result != -Errno.noSuchFileOrDirectory.rawValue else { return }
        try check(result, "rados_unlock", "\(label)/\(object)")
    }
}
