internal import CRBD
internal import SystemPackage

/// All of these block; they belong on a `BlockingPool`.
extension Image {
    /// Tells which parts of the image, as it was opened, differ from an earlier snapshot of it, or hold data at all.
    ///
    /// Implements `rbd_diff_iterate2` with the parent's parts of a clone. Similar to: rbd diff --from-snap --whole-object. With
    /// whole objects and a valid object map with fast-diff nothing is asked of the OSDs for each object; otherwise each
    /// object is asked for.
    ///
    /// - Parameters:
    ///   - snapshot: The name of the earlier snapshot; `nil` for all that is there. An image that was opened at a snapshot is
    ///     compared as it was then.
    ///   - offset: Where to begin, in bytes.
    ///   - length: How far to look, in bytes.
    ///   - wholeObjects: Whether parts may be as large as objects; false for what was written to, to the byte.
    ///   - body: Called with each part in the order of offsets: its offset and length in bytes, and whether it holds data, or
    ///     is a hole that reads as zeroes. It runs on a thread of librbd while this one waits; it must call nothing of this
    ///     image.
    /// - Throws: What `body` throws, which ends it; `RBDError` with `.noSuchFileOrDirectory` if there is no such snapshot.
    public func changedExtents(
        since snapshot: String?,
        from offset: UInt64,
        length: UInt64,
        wholeObjects: Bool,
        _ body: (_ offset: UInt64, _ length: UInt64, _ exists: Bool) throws -> Void
    ) throws {
        try withoutActuallyEscaping(body) { body in
            let listener = ExtentListener(body)
            let context = Unmanaged.passUnretained(listener).toOpaque()
            let result = withRawImage { image in
                rbd_diff_iterate2(image, snapshot, offset, length, 1, wholeObjects ? 1 : 0, takeExtent, context)
            }
            listener.forget()
            if let failure = listener.failure { throw failure }
            try check(result, "rbd_diff_iterate2", snapshot.map { "\(spec)@\($0)" } ?? spec)
        }
    }
}

/// Carries a closure and its error through librbd; one call at a time uses it, and the caller waits for all of them.
private final class ExtentListener {
    private var body: ((UInt64, UInt64, Bool) throws -> Void)?
    private(set) var failure: (any Error)?

    init(_ body: @escaping (UInt64, UInt64, Bool) throws -> Void) {
        self.body = body
    }

    func forget() { body = nil }

    func take(_ offset: UInt64, _ length: UInt64, _ exists: Bool) -> CInt {
        guard failure == nil else { return -Errno.canceled.rawValue }
        do {
            try body?(offset, length, exists)
            return 0
        } catch {
            failure = error
            return -Errno.canceled.rawValue
        }
    }
}

@c
private func takeExtent(_ offset: UInt64, _ length: Int, _ exists: CInt, _ context: UnsafeMutableRawPointer?) -> CInt {
    guard let context else { return 0 }
    let listener = Unmanaged<ExtentListener>.fromOpaque(context).takeUnretainedValue()
    return listener.take(offset, UInt64(length), exists != 0)
}
