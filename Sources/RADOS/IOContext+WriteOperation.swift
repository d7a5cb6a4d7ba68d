internal import CRados
internal import SystemPackage

extension IOContext {
    /// Removes an object if it begins with certain bytes; both happen in one step of its OSD.
    ///
    /// Implements `rados_write_op_cmpext` and `rados_write_op_remove`.
    ///
    /// - Parameters:
    ///   - object: The object's name.
    ///   - bytes: What it must begin with, at least one byte.
    /// - Returns: Whether it was there and began so.
    /// - Throws: `RADOSError`; an object that is not there is none.
    public func remove(_ object: String, ifItBeginsWith bytes: [UInt8]) async throws(RADOSError) -> Bool {
        let operation = rados_create_write_op()
        defer { rados_release_write_op(operation) }
        // librados keeps the bytes' address until the completion, and writes the comparison's result there.
        let expected = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { expected.deallocate() }
        expected.copyBytes(from: bytes)
        rados_write_op_cmpext(operation, expected.bindMemory(to: CChar.self).baseAddress, expected.count, 0, nil)
        rados_write_op_remove(operation)
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                rados_aio_write_op_operate(operation, raw, completion, object, nil, 0)
            }
        }
        // A difference at byte n is -(MAX_ERRNO + n).
        guard result > -Self.firstDifference, result != -Errno.noSuchFileOrDirectory.rawValue else { return false }
        try check(result, "rados_aio_write_op_operate cmpext, remove", "\(label)/\(object)")
        return true
    }

    private static let firstDifference: CInt = 4095
}
