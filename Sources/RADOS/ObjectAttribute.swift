internal import CRados
internal import SystemPackage

/// A name and a value that an object has beside its data and its omap.
public struct ObjectAttribute: Sendable, Hashable {
    /// Its name, among the object's other attributes.
    public let name: String
    /// Its value.
    public let value: String

    /// Names an attribute and its value.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    var bytes: [UInt8] { Array(value.utf8) }
}

extension IOContext {
    /// The value of an object's attribute, at most 4 KiB of it; `nil` if there is no such object or attribute.
    ///
    /// Implements `rados_aio_getxattr`.
    ///
    /// - Parameters:
    ///   - name: The attribute's name.
    ///   - object: The object's name.
    /// - Returns: Its value.
    /// - Throws: `RADOSError`.
    public func attribute(_ name: String, of object: String) async throws(RADOSError) -> String? {
        let buffer = ReadBuffer(capacity: 4096)
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                let base = buffer.base.assumingMemoryBound(to: CChar.self)
                return rados_aio_getxattr(raw, object, completion, name, base, 4096)
            }
        }
        do throws(RADOSError) {
            let count = try check(result, "rados_aio_getxattr", "\(label)/\(object)")
            return String(decoding: buffer.prefix(Int(count)), as: UTF8.self)
        } catch {
            guard error.isNotFound || error.code == .noData else { throw error }
            return nil
        }
    }

    /// Whether there is such an object, and it has an attribute of exactly that value.
    ///
    /// Implements `rados_read_op_cmpxattr` and `rados_aio_read_op_operate`.
    public func holds(_ attribute: ObjectAttribute, on object: String) async throws(RADOSError) -> Bool {
        let operation = AttributeComparison(attribute)
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                rados_aio_read_op_operate(operation.raw, raw, completion, object, 0)
            }
        }
        do throws(RADOSError) {
            try check(result, "rados_aio_read_op_operate cmpxattr", "\(label)/\(object)")
            return true
        } catch {
            guard error.code == .canceled || error.isNotFound else { throw error }
            return false
        }
    }
}

/// A read operation that only compares an attribute.
private final class AttributeComparison: Sendable {
    /// Read by librados before the completion; one owner, one task.
    nonisolated(unsafe) let raw: rados_read_op_t?

    init(_ attribute: ObjectAttribute) {
        raw = rados_create_read_op()
        // librados copies both before it returns.
        attribute.bytes.withUnsafeBytes { value in
            rados_read_op_cmpxattr(
                raw,
                attribute.name,
                UInt8(LIBRADOS_CMPXATTR_OP_EQ),
                value.baseAddress?.assumingMemoryBound(to: CChar.self),
                value.count
            )
        }
    }

    deinit { rados_release_read_op(raw) }
}
