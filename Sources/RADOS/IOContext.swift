internal import CRados
internal import CRadosWatchers
internal import SystemPackage

/// A pool and a RADOS namespace in it, where objects and images live.
public final class IOContext: Sendable {
    /// Safe to share: the namespace is set before anyone else sees the context, and librados' calls on it are
    /// thread-safe as long as nobody changes it.
    private struct Handle: @unchecked Sendable {
        let raw: rados_ioctx_t
    }

    private let handle: Handle

    /// The connection that this pool was opened on; a child keeps its parent alive.
    public let cluster: Cluster
    /// The pool's name.
    public let pool: String
    /// The RADOS namespace; empty for the default one.
    public let namespace: String

    init(adopting raw: rados_ioctx_t, cluster: Cluster, pool: String, namespace: String) {
        handle = Handle(raw: raw)
        self.cluster = cluster
        self.pool = pool
        self.namespace = namespace
    }

    deinit {
        rados_ioctx_destroy(handle.raw)
    }

    /// `pool` or `pool/namespace`, as Ceph's tools write it.
    public var label: String { namespace.isEmpty ? pool : "\(pool)/\(namespace)" }

    /// The pool's number, which no other pool gets, also not one that is made anew under the name.
    ///
    /// Implements `rados_ioctx_get_id`.
    public var poolID: Int64 { rados_ioctx_get_id(handle.raw) }

    /// Gives the raw context to module `RBD`, which must not pass it on.
    package func withRawContext<R, Failure: Error>(
        _ body: (UnsafeMutableRawPointer) throws(Failure) -> R
    ) throws(Failure) -> R {
        try body(handle.raw)
    }

    /// The placement group that has an object or would have it, by its number in the pool; `nil` if this client's OSD
    /// map does not tell.
    ///
    /// Asks nobody. Implements `librados::IoCtx::get_object_pg_hash_position2`.
    public func placementGroup(of object: String) -> UInt32? {
        var group: UInt32 = 0
        return nacre_placement_group(handle.raw, object, &group) == 0 ? group : nil
    }

    /// The clients that watch an object.
    ///
    /// An open image is watched on its header.
    /// Implements `librados::ObjectReadOperation::list_watchers`. Similar to: rados listwatchers.
    ///
    /// - Parameter object: The object's name.
    /// - Returns: The watchers, in no order.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such object.
    public func watchers(of object: String) async throws(RADOSError) -> [Watcher] {
        let answer = await withCheckedContinuation { continuation in
            let waiter = Unmanaged.passRetained(WatchersWaiter(continuation))
            let submitted = nacre_aio_list_watchers(handle.raw, object, takeWatchers, waiter.toOpaque())
            guard submitted < 0 else { return }
            waiter.release()
            continuation.resume(returning: WatchersWaiter.Answer(result: submitted, watchers: []))
        }
        try check(answer.result, "list_watchers", "\(label)/\(object)")
        return answer.watchers
    }

    /// The clients that watch an object; an open image is watched on its header.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `librados::IoCtx::list_watchers`. Similar to: rados listwatchers.
    ///
    /// - Parameter object: The object's name.
    /// - Returns: The watchers, in no order.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such object.
    public func watchers(of object: String) throws(RADOSError) -> [Watcher] {
        var capacity = 16
        while true {
            var buffer = [nacre_watcher](repeating: nacre_watcher(), count: capacity)
            let result = nacre_list_watchers(handle.raw, object, &buffer, CInt(capacity))
            let count = Int(try check(result, "list_watchers", "\(label)/\(object)"))
            guard count > capacity else { return buffer.prefix(count).map(Watcher.init) }
            capacity = count
        }
    }
}

/// A client that watches an object.
public struct Watcher: Sendable, Hashable, CustomStringConvertible {
    /// Its address as in a blocklist: `10.0.0.7:0/123456`.
    public let address: String
    /// N of `client.N`; compare with `Cluster.instanceID`.
    public let clientID: UInt64
    /// Which of that client's watches it is.
    public let cookie: UInt64

    init(_ raw: nacre_watcher) {
        address = withUnsafeBytes(of: raw.address) { bytes in
            ClientAddress.plain(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
        }
        clientID = UInt64(bitPattern: raw.client_id)
        cookie = raw.cookie
    }

    /// `client.4123 at 10.0.0.7:0/123456`.
    public var description: String { "client.\(clientID) at \(address)" }
}

private final class WatchersWaiter: Sendable {
    struct Answer: Sendable {
        let result: CInt
        let watchers: [Watcher]
    }

    let continuation: CheckedContinuation<Answer, Never>

    init(_ continuation: CheckedContinuation<Answer, Never>) {
        self.continuation = continuation
    }
}

@c
private func takeWatchers(
    _ context: UnsafeMutableRawPointer?,
    _ result: CInt,
    _ watchers: UnsafePointer<nacre_watcher>?,
    _ count: CInt
) {
    guard let context else { return }
    let waiter = Unmanaged<WatchersWaiter>.fromOpaque(context).takeRetainedValue()
    let found = UnsafeBufferPointer(start: watchers, count: Int(count)).map(Watcher.init)
    waiter.continuation.resume(returning: WatchersWaiter.Answer(result: result, watchers: found))
}
