internal import CRados
internal import Glibc
internal import SystemPackage

extension IOContext {
    /// Notifies an object's watchers with an empty message, and tells who did not answer.
    ///
    /// To a client of RBD, an empty message on an image's header says that the header has changed: it answers, and reads
    /// the header again.
    ///
    /// Blocks the calling thread until all have answered, or for as long as `timeout`. Implements rados_notify2 and
    /// rados_decode_notify_response. Similar to: rados notify.
    ///
    /// - Parameters:
    ///   - object: The object's name.
    ///   - timeout: How long an answer may take; whole seconds, 1 s or more.
    /// - Returns: The numbers of the clients that watch the object and did not answer; empty if all did.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such object.
    public func unansweringWatchers(
        of object: String,
        within timeout: Duration
    ) throws(RADOSError) -> Set<UInt64> {
        var reply: UnsafeMutablePointer<CChar>?
        var length = 0
        let result = withRawContext { context in
            rados_notify2(context, object, nil, 0, UInt64(timeout / .milliseconds(1)), &reply, &length)
        }
        defer { rados_buffer_free(reply) }
        guard result == -Errno.timedOut.rawValue, let reply else {
            try check(result, "rados_notify2", "\(label)/\(object)")
            return []
        }
        var answers: UnsafeMutablePointer<notify_ack_t>?
        var silent: UnsafeMutablePointer<notify_timeout_t>?
        var answerCount = 0
        var silentCount = 0
        let decoded = rados_decode_notify_response(reply, length, &answers, &answerCount, &silent, &silentCount)
        try check(decoded, "rados_decode_notify_response", "\(label)/\(object)")
        defer { rados_free_notify_response(answers, answerCount, silent) }
        return Set(UnsafeBufferPointer(start: silent, count: silentCount).map(\.notifier_id))
    }

    /// How many other objects of a placement group evict an object's context from its OSD's cache.
    ///
    /// Twice `osd_pg_object_context_cache_count`.
    private static let crowd = 128

    /// Makes the OSD load an object's watches from disk again, so that it drops those of dead clients after 30 s.
    ///
    /// An OSD first writes a watch into the object and then registers the client's connection. If the client is killed
    /// in between, the OSD registers no connection (`PrimaryLogPG::do_osd_op_effects`). The watch is then listed, no
    /// client renews it, and the OSD sets no timeout for it until it loads the object from disk again. It does that
    /// after it has evicted the object's context from its cache, unless a live client watches the object. This method
    /// evicts the context: it sends removals of objects that do not exist in the same placement group. They change no
    /// data.
    ///
    /// OSDs of 16.2.15 leave such watches; those of 18.2.7 and 20.2.4 do not (tracker.ceph.com 58120, mended by ceph/ceph pull
    /// request 50861 of 2023). There it costs some removals of nothing, and only once a watch has been in the way for long.
    ///
    /// Removals are writes: a full pool lets them through (`rados_set_pool_full_try`), a paused cluster keeps them. They are
    /// given up at the deadline (`rados_aio_cancel`).
    ///
    /// Blocks the calling thread, for as long as `limit` at most. See: `PrimaryLogPG::populate_obc_watchers`.
    ///
    /// - Parameters:
    ///   - object: The object's name.
    ///   - limit: How long Ceph may take.
    /// - Throws: `RADOSError`, with `.timedOut` at the deadline; not for an object that does not exist.
    public func reviewWatches(of object: String, within limit: Duration = .seconds(5)) throws(RADOSError) {
        let deadline = ContinuousClock.now + limit
        var raw: rados_ioctx_t?
        let number = withRawContext { rados_ioctx_get_id($0) }
        let made = cluster.withRawCluster { rados_ioctx_create2($0, number, &raw) }
        try check(made, "rados_ioctx_create2", label)
        guard let raw else { throw RADOSError(call: "rados_ioctx_create2", code: .noMemory, subject: label) }
        defer { rados_ioctx_destroy(raw) }
        rados_ioctx_set_namespace(raw, namespace)
        rados_ioctx_locator_set_key(raw, object)
        rados_set_pool_full_try(raw)
        var completions: [rados_completion_t] = []
        defer { for completion in completions { rados_aio_release(completion) } }
        for place in 0..<Self.crowd {
            var completion: rados_completion_t?
            guard rados_aio_create_completion2(nil, nil, &completion) >= 0, let completion else { break }
            completions.append(completion)
            try check(rados_aio_remove(raw, "nacre.absent.\(place)", completion), "rados_aio_remove", label)
        }
        try end(completions, of: "rados_aio_remove", on: object, raw, until: deadline)
        // The timeout of 30 s starts when the OSD loads the object, not when it evicts it. Any operation makes it load it.
        var loading: rados_completion_t?
        guard rados_aio_create_completion2(nil, nil, &loading) >= 0, let loading else { return }
        completions.append(loading)
        let operation = rados_create_read_op()
        defer { rados_release_read_op(operation) }
        rados_read_op_assert_exists(operation)
        try check(rados_aio_read_op_operate(operation, raw, loading, object, 0), "rados_aio_read_op_operate", label)
        try end([loading], of: "rados_aio_read_op_operate", on: object, raw, until: deadline)
    }

    /// Waits for calls on objects that need not exist, and gives them up at the deadline.
    private func end(
        _ completions: [rados_completion_t],
        of call: String,
        on object: String,
        _ raw: rados_ioctx_t,
        until deadline: ContinuousClock.Instant
    ) throws(RADOSError) {
        while completions.contains(where: { rados_aio_is_complete($0) == 0 }) {
            guard .now < deadline else {
                for completion in completions { _ = rados_aio_cancel(raw, completion) }
                throw RADOSError(call: call, code: .timedOut, subject: "\(label)/\(object)")
            }
            usleep(10_000)
        }
        for completion in completions {
            let result = rados_aio_get_return_value(completion)
            guard result != -Errno.noSuchFileOrDirectory.rawValue else { continue }
            try check(result, call, "\(label)/\(object)")
        }
    }
}
