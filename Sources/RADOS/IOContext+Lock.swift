internal import CRados
internal import ExactText
internal import Glibc
internal import SystemPackage

extension IOContext {
    /// Takes an advisory lock on an object for a time, or renews it.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rados_lock_exclusive` with `LIBRADOS_LOCK_FLAG_MAY_RENEW`. Similar to: rados lock get.
    ///
    /// - Parameters:
    ///   - name: The lock's name; an object can have many.
    ///   - object: The object; made when there is none.
    ///   - cookie: Tells us from ourselves.
    ///   - seconds: How long it lasts unless it is renewed; 0 for until it is given back or broken.
    /// - Throws: `RADOSError` with `.resourceBusy` when another client, or another cookie, has it.
    public func lock(_ name: String, on object: String, cookie: String, seconds: Int) throws(RADOSError) {
        var duration = timeval(tv_sec: seconds, tv_usec: 0)
        let result = withRawContext { raw in
            rados_lock_exclusive(
                raw,
                object,
                name,
                cookie,
                "nacre",
                &duration,
                UInt8(LIBRADOS_LOCK_FLAG_MAY_RENEW)
            )
        }
        try check(result, "rados_lock_exclusive", "\(label)/\(object)")
    }

    /// Takes an advisory lock on an object, shared with all clients that give the same tag, until it is released or
    /// broken.
    ///
    /// Blocks the calling thread. A client that gives another tag is refused while the lock is held. A second call with
    /// the same cookie succeeds.
    ///
    /// Implements `rados_lock_shared` with `LIBRADOS_LOCK_FLAG_MAY_RENEW`.
    ///
    /// - Parameters:
    ///   - name: The lock's name.
    ///   - object: The object; made when there is none.
    ///   - cookie: Tells us from ourselves.
    ///   - tag: Tells who may share it.
    /// - Throws: `RADOSError` with `.resourceBusy` when it is taken under another tag.
    public func lock(_ name: String, on object: String, cookie: String, sharedAs tag: String) throws(RADOSError) {
        let result = withRawContext { raw in
            rados_lock_shared(raw, object, name, cookie, tag, "nacre", nil, UInt8(LIBRADOS_LOCK_FLAG_MAY_RENEW))
        }
        try check(result, "rados_lock_shared", "\(label)/\(object)")
    }

    /// Releases a lock; succeeds if it has expired.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rados_unlock`.
    public func unlock(_ name: String, on object: String, cookie: String) throws(RADOSError) {
        let result = withRawContext { rados_unlock($0, object, name, cookie) }
        guard result != -Errno.noSuchFileOrDirectory.rawValue else { return }
        try check(result, "rados_unlock", "\(label)/\(object)")
    }

    /// Who has a lock of an object.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rados_list_lockers`. Similar to: rados lock info.
    ///
    /// - Parameters:
    ///   - name: The lock's name: `rbd_lock` is the exclusive lock of an image.
    ///   - object: The object.
    /// - Returns: Its owners. A shared lock may have several. Empty if there is no such lock or object.
    /// - Throws: `RADOSError`.
    public func lockOwners(_ name: String, on object: String) throws(RADOSError) -> [LockOwner] {
        var capacity = 4096
        while true {
            let found = listLockers(name, object, capacity)
            if found.result == -Errno.outOfRange.rawValue, capacity < 1 << 20 {
                capacity *= 4
                continue
            }
            guard found.result != -Errno.noSuchFileOrDirectory.rawValue else { return [] }
            try check(found.result, "rados_list_lockers", "\(label)/\(object)")
            return (0..<min(Int(found.result), found.clients.count, found.cookies.count, found.addresses.count)).map {
                LockOwner(
                    client: found.clients[$0],
                    cookie: found.cookies[$0],
                    address: found.addresses[$0],
                    isShared: found.isShared
                )
            }
        }
    }

    private func listLockers(
        _ name: String,
        _ object: String,
        _ capacity: Int
    ) -> (result: CInt, clients: [String], cookies: [String], addresses: [String], isShared: Bool) {
        // One buffer each for tag, clients, cookies and addresses. librados requires the tag's buffer; its content is
        // not used.
        let texts = UnsafeMutablePointer<CChar>.allocate(capacity: 4 * capacity)
        texts.initialize(repeating: 0, count: 4 * capacity)
        let lengths = UnsafeMutablePointer<Int>.allocate(capacity: 4)
        lengths.initialize(repeating: capacity, count: 4)
        let isExclusive = UnsafeMutablePointer<CInt>.allocate(capacity: 1)
        isExclusive.initialize(to: 1)
        defer {
            texts.deallocate()
            lengths.deallocate()
            isExclusive.deallocate()
        }
        let places = (0..<4).map { texts + $0 * capacity }
        let result = withRawContext { raw in
            rados_list_lockers(
                raw,
                object,
                name,
                isExclusive,
                places[0],
                lengths,
                places[1],
                lengths + 1,
                places[2],
                lengths + 2,
                places[3],
                lengths + 3
            )
        }
        let strings = places.map { place in
            // The strings follow each other, each with a terminating zero; some may be empty.
            UnsafeRawBufferPointer(start: place, count: capacity)
                .split(separator: 0, omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
        }
        return (CInt(result), strings[1], strings[2], strings[3], isExclusive.pointee == 0)
    }

    /// Breaks a client's lock; succeeds if the client does not hold it any more.
    ///
    /// Blocks the calling thread. The owner is not notified: fence it first.
    ///
    /// Implements `rados_break_lock`. Similar to: rados lock break.
    public func breakLock(_ name: String, on object: String, of owner: LockOwner) throws(RADOSError) {
        let result = withRawContext { rados_break_lock($0, object, name, owner.client, owner.cookie) }
        guard result != -Errno.noSuchFileOrDirectory.rawValue else { return }
        try check(result, "rados_break_lock", "\(label)/\(object)")
    }

    /// Runs a class call on one object and returns its answer.
    ///
    /// Blocks the calling thread; for callers that run outside of a task.
    ///
    /// Implements `rados_exec`.
    public func call(_ call: ClassCall, on object: String) throws(RADOSError) -> [UInt8] {
        // The longest answer to such a call, a metadata value, is far shorter.
        let capacity = 64 << 10
        let answer = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
        defer { answer.deallocate() }
        let result = withRawContext { raw in
            call.input.withUnsafeBytes { input in
                rados_exec(
                    raw,
                    object,
                    call.className,
                    call.method,
                    input.baseAddress?.assumingMemoryBound(to: CChar.self),
                    input.count,
                    answer,
                    capacity
                )
            }
        }
        let count = try check(result, "rados_exec \(call.className).\(call.method)", "\(label)/\(object)")
        return Array(UnsafeRawBufferPointer(start: answer, count: Int(count)))
    }
}

/// Who has a lock.
public struct LockOwner: Sendable, Hashable, CustomStringConvertible {
    /// `client.4123`.
    public let client: String
    /// What it gave to tell its locks apart.
    public let cookie: String
    /// Where it was when it took the lock: `10.0.0.7:0/123456`.
    public let address: String
    /// Whether others may have the lock beside it.
    public let isShared: Bool

    /// Names an owner.
    public init(client: String, cookie: String, address: String, isShared: Bool = false) {
        self.isShared = isShared
        self.client = client
        self.cookie = cookie
        self.address = ClientAddress.plain(address)
    }

    /// N of `client.N`.
    public var clientID: UInt64? { client.startsExactly(with: "client.") ? UInt64(client.dropFirst(7)) : nil }

    /// `client.4123 at 10.0.0.7:0/123456`.
    public var description: String { "\(client) at \(address)" }
}
