internal import Glibc
internal import RADOS

extension ClassCall {
    /// `lock.get_info` of one of an image's locks; it also answers for a lock that nobody has.
    static func askingOwners(of lock: ImageLockName) -> ClassCall {
        var name = Encoder()
        name.append(lock.rawValue)
        var asked = Encoder()
        asked.append(version: 1, compatible: 1, name)
        return ClassCall("lock", "get_info", input: asked.bytes)
    }

    /// `lock.break_lock`, which `rados_break_lock` sends.
    ///
    /// See: `cls_lock_break_op`.
    static func breaking(_ lock: ImageLockName, of clientID: UInt64, cookie: String) -> ClassCall {
        var call = Encoder()
        call.append(lock.rawValue)
        call.append(UInt8(8))  // CEPH_ENTITY_TYPE_CLIENT
        call.append(clientID)
        call.append(cookie)
        var input = Encoder()
        input.append(version: 1, compatible: 1, call)
        return ClassCall("lock", "break_lock", input: input.bytes)
    }
}

/// An owner in an answer of `lock.get_info`.
struct Locker {
    let client: String
    let cookie: String
    /// In the form of the blocklist; `nil` if it is in none that can be fenced.
    let address: String?

    /// The owners in an answer of `lock.get_info`, and whether they share the lock; `nil` if it cannot be decoded.
    ///
    /// See: `cls_lock_get_info_reply`.
    static func all(in answer: [UInt8]) -> (lockers: [Locker], isShared: Bool)? {
        var outer = Decoder(answer)
        guard var reply = outer.structure(), let count = reply.number(UInt32.self) else { return nil }
        var found: [Locker] = []
        for _ in 0..<count {
            // locker_id_t: a kind, a number and the cookie; locker_info_t: until when, and the address.
            guard var id = reply.structure(), id.number(UInt8.self) != nil, let number = id.number(Int64.self),
                let cookie = id.string(), var info = reply.structure()
            else { return nil }
            let address = info.time() == nil ? nil : info.address()
            found.append(Locker(client: "client.\(number)", cookie: cookie, address: address))
        }
        // ClsLockType::EXCLUSIVE
        guard let kind = reply.number(UInt8.self) else { return nil }
        return (found, kind != 1)
    }
}

extension LockOwner {
    /// The owners in an answer of `lock.get_info`, the same that `rados_list_lockers` returns; `nil` if it cannot be
    /// decoded, or one has no address by which it can be fenced.
    static func owners(in answer: [UInt8]) -> [LockOwner]? {
        guard let (lockers, isShared) = Locker.all(in: answer) else { return nil }
        var owners: [LockOwner] = []
        for locker in lockers {
            guard let address = locker.address else { return nil }
            owners.append(
                LockOwner(client: locker.client, cookie: locker.cookie, address: address, isShared: isShared)
            )
        }
        return owners
    }
}

extension Decoder {
    /// A client's address in the form of the blocklist: `10.0.0.7:0/123456`; `nil` for none.
    ///
    /// See: `entity_addr_t::encode`, for clients of Nautilus or later.
    fileprivate mutating func address() -> String? {
        guard number(UInt8.self) == 1, var body = structure(), body.number(UInt32.self) != nil,
            let nonce = body.number(UInt32.self), let length = body.number(UInt32.self)
        else { return nil }
        // Without a length there is no address.
        guard length > 0 else { return nil }
        // The rest of a sockaddr is in network order.
        guard let family = body.number(UInt16.self), let port = body.number(UInt16.self)?.byteSwapped else {
            return nil
        }
        switch CInt(family) {
        case AF_INET:
            guard var host = body.number(UInt32.self) else { return nil }
            return Self.text(AF_INET, &host).map { "\($0):\(port)/\(nonce)" }
        case AF_INET6:
            guard body.number(UInt32.self) != nil, var host = body.number(UInt128.self) else { return nil }
            return Self.text(AF_INET6, &host).map { "[\($0)]:\(port)/\(nonce)" }
        default: return nil
        }
    }

    private static func text(_ family: CInt, _ host: UnsafeRawPointer) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            inet_ntop(family, host, buffer.baseAddress, socklen_t(buffer.count)).map { String(cString: $0) }
        }
    }
}
