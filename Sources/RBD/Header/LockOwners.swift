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
}

extension LockOwner {
    /// The owners in an answer of `lock.get_info`, the same that `rados_list_lockers` returns; `nil` if it cannot be
    /// decoded.
    ///
    /// See: `cls_lock_get_info_reply`.
    static func owners(in answer: [UInt8]) -> [LockOwner]? {
        var outer = Decoder(answer)
        guard var reply = outer.structure(), let count = reply.number(UInt32.self) else { return nil }
        var found: [(client: String, cookie: String, address: String)] = []
        for _ in 0..<count {
            // locker_id_t: a kind, a number and the cookie; locker_info_t: until when, and the address.
            guard var id = reply.structure(), id.number(UInt8.self) != nil, let number = id.number(Int64.self),
                let cookie = id.string(), var info = reply.structure(), info.time() != nil,
                let address = info.address()
            else { return nil }
            found.append(("client.\(number)", cookie, address))
        }
        // ClsLockType::EXCLUSIVE
        guard let kind = reply.number(UInt8.self) else { return nil }
        return found.map { LockOwner(client: $0.client, cookie: $0.cookie, address: $0.address, isShared: kind != 1) }
    }
}

extension Decoder {
    /// A client's address in the form of the blocklist: `10.0.0.7:0/123456`; `-` for none.
    ///
    /// See: `entity_addr_t::encode`, for clients of Nautilus or later.
    fileprivate mutating func address() -> String? {
        guard number(UInt8.self) == 1, var body = structure(), body.number(UInt32.self) != nil,
            let nonce = body.number(UInt32.self), let length = body.number(UInt32.self)
        else { return nil }
        guard length > 0 else { return "-" }
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
        default: return "-"
        }
    }

    private static func text(_ family: CInt, _ host: UnsafeRawPointer) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            inet_ntop(family, host, buffer.baseAddress, socklen_t(buffer.count)).map { String(cString: $0) }
        }
    }
}
