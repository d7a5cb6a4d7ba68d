internal import CRados
internal import Glibc
internal import SystemPackage

/// The names of a pool's objects in one RADOS namespace, in no order; objects that are created or removed during the
/// listing may be missed.
///
/// Used by one thread at a time.
public final class ObjectListing: Sendable {
    private let context: IOContext
    /// Only one caller may use it at a time: librados keeps the cursor in it.
    nonisolated(unsafe) private let raw: rados_list_ctx_t

    /// Begins at the pool's first object.
    ///
    /// Implements `rados_nobjects_list_open`. Similar to: rados ls.
    public init(_ context: IOContext) throws(RADOSError) {
        var raw: rados_list_ctx_t?
        let result = context.withRawContext { rados_nobjects_list_open($0, &raw) }
        try check(result, "rados_nobjects_list_open", context.label)
        guard let raw else {
            throw RADOSError(call: "rados_nobjects_list_open", code: .noMemory, subject: context.label)
        }
        self.context = context
        self.raw = raw
    }

    deinit {
        rados_nobjects_list_close(raw)
    }

    /// Reads the next object names and returns those that begin with `prefix`.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rados_nobjects_list_next2`.
    ///
    /// - Parameters:
    ///   - limit: How many objects to look at, whatever their names.
    ///   - prefix: What the names must begin with.
    /// - Returns: The names; `nil` after the last object.
    /// - Throws: `RADOSError`.
    public func next(_ limit: Int, beginningWith prefix: String) throws(RADOSError) -> [String]? {
        let prefix = Array(prefix.utf8)
        var names: [String] = []
        for count in 0..<limit {
            var entry: UnsafePointer<CChar>?
            var length = 0
            let result = rados_nobjects_list_next2(raw, &entry, nil, nil, &length, nil, nil)
            guard result != -Errno.noSuchFileOrDirectory.rawValue else { return count == 0 ? nil : names }
            try check(result, "rados_nobjects_list_next2", context.label)
            guard let entry, length >= prefix.count, memcmp(entry, prefix, prefix.count) == 0 else { continue }
            names.append(String(decoding: UnsafeRawBufferPointer(start: entry, count: length), as: UTF8.self))
        }
        return names
    }
}

extension IOContext {
    /// How many objects the pool has, in all of its namespaces, as its monitors know it.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rados_ioctx_pool_stat`. Similar to: rados df.
    public func objectCount() throws(RADOSError) -> UInt64 {
        var statistics = rados_pool_stat_t()
        try check(withRawContext { rados_ioctx_pool_stat($0, &statistics) }, "rados_ioctx_pool_stat", label)
        return statistics.num_objects
    }
}
