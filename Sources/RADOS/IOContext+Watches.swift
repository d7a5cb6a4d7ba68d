internal import CRados
internal import SystemPackage

extension IOContext {
    /// Other objects of a placement group that push one out of the memory of its OSD.
    ///
    /// Twice `osd_pg_object_context_cache_count`.
    private static let crowd = 128

    /// Makes the OSD look after an object's watches anew: it drops those of dead clients half a minute later.
    ///
    /// An OSD writes a watch into the object first and notes the client's connection then. When the client was killed in
    /// between, it notes nothing (`PrimaryLogPG::do_osd_op_effects`): the watch is listed, nobody renews it, and nobody
    /// times it out, until the OSD reads the object from its disk again. It does so once it has forgotten it for other
    /// objects of the placement group; which it does not as long as a client that lives watches it. So names are removed
    /// there that nobody has, and nothing else changes.
    ///
    /// Blocks. See: `PrimaryLogPG::populate_obc_watchers`.
    ///
    /// - Parameter object: The object's name.
    /// - Throws: `RADOSError`; an object that is not there is fine.
    public func reviewWatches(of object: String) throws(RADOSError) {
        var raw: rados_ioctx_t?
        let number = withRawContext { rados_ioctx_get_id($0) }
        let made = cluster.withRawCluster { rados_ioctx_create2($0, number, &raw) }
        try check(made, "rados_ioctx_create2", label)
        guard let raw else { throw RADOSError(call: "rados_ioctx_create2", code: .noMemory, subject: label) }
        defer { rados_ioctx_destroy(raw) }
        rados_ioctx_set_namespace(raw, namespace)
        rados_ioctx_locator_set_key(raw, object)
        var completions: [rados_completion_t] = []
        defer { for completion in completions { rados_aio_release(completion) } }
        for place in 0..<Self.crowd {
            var completion: rados_completion_t?
            guard rados_aio_create_completion2(nil, nil, &completion) >= 0, let completion else { break }
            completions.append(completion)
            try check(rados_aio_remove(raw, "nacre.absent.\(place)", completion), "rados_aio_remove", label)
        }
        for completion in completions {
            rados_aio_wait_for_complete(completion)
            let result = rados_aio_get_return_value(completion)
            guard result != -Errno.noSuchFileOrDirectory.rawValue else { continue }
            try check(result, "rados_aio_remove", "\(label)/\(object)")
        }
        // The half minute begins when the OSD reads the object, not when it forgets it.
        do {
            _ = try watchers(of: object)
        } catch {
            guard error.code == .noSuchFileOrDirectory else { throw error }
        }
    }
}
