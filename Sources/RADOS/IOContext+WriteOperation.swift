internal import CRados
internal import SystemPackage

extension IOContext {
    /// Runs class calls that write to one object, atomically: all of them or none.
    ///
    /// Implements `rados_write_op_exec`, `rados_write_op_setxattr`, `rados_write_op_omap_set2` and
    /// `rados_aio_write_op_operate`.
    ///
    /// - Parameters:
    ///   - calls: The calls in their order; may be empty. A call does not see what earlier calls wrote.
    ///   - object: The object's name.
    ///   - isNew: Whether the object must not exist yet.
    ///   - isOld: Whether the object must exist already, so that an object that was removed meanwhile is not created
    ///     again.
    ///   - passesFull: Whether the write is allowed in a full pool; for writes that are needed to free space.
    ///   - attributes: Attributes that the object gets besides.
    ///   - keys: Omap keys that the object gets after the calls, in place of what they wrote there.
    /// - Throws: `RADOSError` of the first call that fails, `.fileExists` when the object is not new,
    ///   `.noSuchFileOrDirectory` when it is not old.
    public func execute(
        _ calls: ClassCall...,
        on object: String,
        isNew: Bool = false,
        isOld: Bool = false,
        passesFull: Bool = false,
        attributes: [ObjectAttribute] = [],
        keys: [String: [UInt8]] = [:]
    ) async throws(RADOSError) {
        try await execute(
            all: calls,
            on: object,
            isNew: isNew,
            isOld: isOld,
            passesFull: passesFull,
            attributes: attributes,
            keys: keys
        )
    }

    /// The same, for a number of calls that is not known beforehand.
    public func execute(
        all calls: [ClassCall],
        on object: String,
        isNew: Bool = false,
        isOld: Bool = false,
        passesFull: Bool = false,
        attributes: [ObjectAttribute] = [],
        keys: [String: [UInt8]] = [:]
    ) async throws(RADOSError) {
        let operation = WriteOperation()
        if isNew { rados_write_op_create(operation.raw, CInt(LIBRADOS_CREATE_EXCLUSIVE), nil) }
        if isOld { rados_write_op_assert_exists(operation.raw) }
        for call in calls {
            // librados copies the input before it returns.
            call.input.withUnsafeBytes { input in
                rados_write_op_exec(
                    operation.raw,
                    call.className,
                    call.method,
                    input.baseAddress?.assumingMemoryBound(to: CChar.self),
                    input.count,
                    nil
                )
            }
        }
        for attribute in attributes {
            // librados copies both before it returns.
            attribute.bytes.withUnsafeBytes { value in
                rados_write_op_setxattr(
                    operation.raw,
                    attribute.name,
                    value.baseAddress?.assumingMemoryBound(to: CChar.self),
                    value.count
                )
            }
        }
        for (key, value) in keys { operation.set(key, value) }
        let names = calls.isEmpty ? "create" : calls.map { "\($0.className).\($0.method)" }.joined(separator: ", ")
        let flags = passesFull ? CInt(LIBRADOS_OPERATION_FULL_FORCE) : 0
        let result = await operate(operation, on: object, flags)
        try check(result, "rados_aio_write_op_operate \(names)", "\(label)/\(object)")
    }

    /// Runs a class call that writes on one object, if an omap key has a certain value, atomically.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rados_write_op_omap_cmp2`, `rados_write_op_exec` and `rados_write_op_operate`.
    ///
    /// - Parameters:
    ///   - call: What to call.
    ///   - object: The object's name.
    ///   - key: The omap key.
    ///   - value: The value that the key must have; empty for a key that does not exist.
    /// - Returns: Whether it had the value, and the call was made.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such object.
    public func execute(
        _ call: ClassCall,
        on object: String,
        ifKey key: String,
        has value: [UInt8]
    ) throws(RADOSError) -> Bool {
        let operation = WriteOperation()
        rados_write_op_assert_exists(operation.raw)
        // librados copies key and value before it returns.
        value.withUnsafeBytes { value in
            rados_write_op_omap_cmp2(
                operation.raw,
                key,
                UInt8(LIBRADOS_CMPXATTR_OP_EQ),
                value.baseAddress?.assumingMemoryBound(to: CChar.self),
                key.utf8.count,
                value.count,
                nil
            )
        }
        call.input.withUnsafeBytes { input in
            rados_write_op_exec(
                operation.raw,
                call.className,
                call.method,
                input.baseAddress?.assumingMemoryBound(to: CChar.self),
                input.count,
                nil
            )
        }
        let result = withRawContext { rados_write_op_operate(operation.raw, $0, object, nil, 0) }
        withExtendedLifetime(operation) {}
        // ECANCELED: the key has another value.
        guard result != -Errno.canceled.rawValue else { return false }
        try check(result, "rados_write_op_operate omap_cmp, \(call.className).\(call.method)", "\(label)/\(object)")
        return true
    }

    /// Removes an object if it begins with certain bytes, atomically.
    ///
    /// Implements `rados_write_op_cmpext` and `rados_write_op_remove`.
    ///
    /// - Parameters:
    ///   - object: The object's name.
    ///   - bytes: What it must begin with, at least one byte.
    /// - Returns: Whether it was there and began so.
    /// - Throws: `RADOSError`; not for an object that does not exist.
    public func remove(_ object: String, ifItBeginsWith bytes: [UInt8]) async throws(RADOSError) -> Bool {
        let operation = WriteOperation()
        let expected = ComparedBytes(bytes)
        rados_write_op_cmpext(operation.raw, expected.base, bytes.count, 0, nil)
        rados_write_op_remove(operation.raw)
        let result = await operate(operation, on: object)
        withExtendedLifetime(expected) {}
        do throws(RADOSError) {
            try check(result, "rados_aio_write_op_operate cmpext, remove", "\(label)/\(object)")
            return true
        } catch {
            guard error.isDifference || error.isNotFound else { throw error }
            return false
        }
    }

    /// Removes an object.
    ///
    /// Implements `rados_aio_remove`. Similar to: rados rm.
    ///
    /// - Parameter object: The object's name.
    /// - Returns: Whether it was there.
    /// - Throws: `RADOSError`; not for an object that does not exist.
    @discardableResult
    public func remove(_ object: String) async throws(RADOSError) -> Bool {
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in rados_aio_remove(raw, object, completion) }
        }
        guard result != -Errno.noSuchFileOrDirectory.rawValue else { return false }
        try check(result, "rados_aio_remove", "\(label)/\(object)")
        return true
    }

    private func operate(_ operation: WriteOperation, on object: String, _ flags: CInt = 0) async -> CInt {
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                rados_aio_write_op_operate(operation.raw, raw, completion, object, nil, flags)
            }
        }
        withExtendedLifetime(operation) {}
        return result
    }
}

/// A compound write operation.
private final class WriteOperation: Sendable {
    /// One owner, one task.
    nonisolated(unsafe) let raw: rados_write_op_t? = rados_create_write_op()

    deinit { rados_release_write_op(raw) }

    /// Sets an omap key; librados copies both before it returns.
    func set(_ key: String, _ value: [UInt8]) {
        key.withCString { name in
            value.withUnsafeBytes { bytes in
                var keys: UnsafePointer<CChar>? = name
                var values = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                var (keyLengths, valueLengths) = (key.utf8.count, bytes.count)
                rados_write_op_omap_set2(raw, &keys, &values, &keyLengths, &valueLengths, 1)
            }
        }
    }
}

/// Bytes that an operation compares an object's with.
///
/// They are in allocated memory: librados keeps the address until the operation completes.
final class ComparedBytes: Sendable {
    /// Written in `init` alone.
    nonisolated(unsafe) private let bytes: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8]) {
        self.bytes = .allocate(byteCount: bytes.count, alignment: 1)
        self.bytes.copyBytes(from: bytes)
    }

    deinit { bytes.deallocate() }

    var base: UnsafePointer<CChar>? { UnsafePointer(bytes.bindMemory(to: CChar.self).baseAddress) }
}
