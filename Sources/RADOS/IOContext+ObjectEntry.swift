internal import CRados
internal import SystemPackage

/// An object's size and one of its omap entries, read at one moment.
public struct ObjectEntry: Sendable {
    /// How many bytes of data the object has.
    public let sizeBytes: UInt64
    /// The value of the key; `nil` if the object has no such key.
    public let value: [UInt8]?
}

extension IOContext {
    /// Reads an object's size and an omap entry in one round trip, without waiting for writes of the object that are under
    /// way, and without holding up those that come: it may see what is not on stable storage yet.
    ///
    /// An OSD otherwise puts such a read, and each write that comes behind it, back into its queue until all writes before
    /// are committed. Of an object that many clients write, that took a fifth of the throughput.
    ///
    /// Implements `rados_read_op_stat`, `rados_read_op_omap_get_vals_by_keys2` and `rados_aio_read_op_operate`.
    ///
    /// - Parameters:
    ///   - key: The entry's key.
    ///   - object: The object's name.
    /// - Returns: Both; `nil` if there is no such object.
    /// - Throws: `RADOSError`.
    public func momentaryEntry(_ key: String, of object: String) async throws(RADOSError) -> ObjectEntry? {
        let operation = EntryOperation(key)
        let flags = CInt(LIBRADOS_OPERATION_SKIPRWLOCKS)
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                rados_aio_read_op_operate(operation.raw, raw, completion, object, flags)
            }
        }
        guard result != -Errno.noSuchFileOrDirectory.rawValue else { return nil }
        try check(result, "rados_aio_read_op_operate omap_get_vals_by_keys", "\(label)/\(object)")
        return operation.entry
    }
}

/// A read of an object's size and an entry, and the memory for its results.
///
/// The results go to allocated memory: librados keeps the addresses until the operation completes.
private final class EntryOperation: Sendable {
    /// Written by librados before the completion, read after it; one owner, one task.
    nonisolated(unsafe) let raw: rados_read_op_t? = rados_create_read_op()
    nonisolated(unsafe) private let sizeBytes = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    nonisolated(unsafe) private let modified = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    nonisolated(unsafe) private let entries = UnsafeMutablePointer<rados_omap_iter_t?>.allocate(capacity: 1)

    init(_ key: String) {
        sizeBytes.initialize(to: 0)
        modified.initialize(to: 0)
        entries.initialize(to: nil)
        rados_read_op_stat(raw, sizeBytes, modified, nil)
        // librados copies the key before it returns.
        key.withCString { name in
            var keys: UnsafePointer<CChar>? = name
            var length = key.utf8.count
            rados_read_op_omap_get_vals_by_keys2(raw, &keys, 1, &length, entries, nil)
        }
    }

    deinit {
        rados_release_read_op(raw)
        if let found = entries.pointee { rados_omap_get_end(found) }
        sizeBytes.deallocate()
        modified.deallocate()
        entries.deallocate()
    }

    var entry: ObjectEntry {
        var (key, value): (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<CChar>?) = (nil, nil)
        var (keyLength, valueLength) = (0, 0)
        let isThere =
            rados_omap_get_next2(entries.pointee, &key, &value, &keyLength, &valueLength) == 0 && key != nil
        let bytes = isThere ? Array(UnsafeRawBufferPointer(start: value, count: valueLength)) : nil
        return ObjectEntry(sizeBytes: sizeBytes.pointee, value: bytes)
    }
}
