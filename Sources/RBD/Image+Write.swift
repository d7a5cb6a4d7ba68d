internal import CRBD
internal import SystemPackage

/// All of these block; they belong on a `BlockingPool`.
extension Image {
    /// Writes bytes from `offset` on.
    ///
    /// Implements `rbd_write`. What is written may lie in a cache of this client until `flush`.
    ///
    /// - Parameters:
    ///   - bytes: What to write.
    ///   - offset: Where, in bytes.
    /// - Throws: `RBDError`, with `.invalidArgument` behind the image's end.
    public func write(_ bytes: ArraySlice<UInt8>, at offset: UInt64) throws(RBDError) {
        let result = bytes.withUnsafeBytes { buffer in
            withRawImage {
                rbd_write($0, offset, buffer.count, buffer.baseAddress?.assumingMemoryBound(to: CChar.self))
            }
        }
        guard result >= 0 else {
            throw RBDError(call: "rbd_write", code: Errno(rawValue: CInt(-result)), subject: spec)
        }
    }

    /// Waits until all that was written is in the cluster.
    ///
    /// Implements `rbd_flush`.
    public func flush() throws(RBDError) {
        try check(withRawImage { rbd_flush($0) }, "rbd_flush", spec)
    }

    /// Takes the image's exclusive lock and keeps it until it is closed, whoever asks for it.
    ///
    /// Implements `rbd_lock_acquire` with `RBD_LOCK_MODE_EXCLUSIVE`. Other clients' writes fail with `.readOnlyFileSystem`
    /// meanwhile.
    ///
    /// - Throws: `RBDError` with `.readOnlyFileSystem` or `.resourceBusy` if another client has it and does not let go;
    ///   `.invalidArgument` for an image without the feature.
    public func keepExclusiveLock() throws(RBDError) {
        try check(withRawImage { rbd_lock_acquire($0, RBD_LOCK_MODE_EXCLUSIVE) }, "rbd_lock_acquire", spec)
    }
}
