internal import CRados
internal import ExactText
internal import Glibc
internal import SystemPackage

/// A client, or all of an address, that the cluster refuses.
public struct BlocklistEntry: Sendable, Hashable {
    /// As in a watch: `10.0.0.7:0/123456`; a nonce of 0 is every client of that address.
    public let address: String
    /// When it ends, as the monitors write it: `2026-11-21T08:09:47.706225+0000`.
    public let until: String

    /// Puts an entry together.
    public init(address: String, until: String) {
        self.address = address
        self.until = until
    }
}

extension Cluster {
    /// Makes the cluster refuse everything that a client sends from now on.
    ///
    /// When this returns, the monitors have committed the OSD map with the entry, and this client has it. An OSD that
    /// does not have the map yet gets it with this client's next operation, before it answers. So no write of the
    /// blocklisted client can follow a write of this client.
    ///
    /// Implements `rados_blocklist_add` and `rados_wait_for_latest_osdmap`. Similar to: ceph osd blocklist add.
    ///
    /// - Parameters:
    ///   - address: The client, `10.0.0.7:0/123456`.
    ///   - seconds: For how long; 0 for the cluster's default, an hour.
    /// - Throws: `RADOSError` with `.permissionDenied` when the user's mon caps lack it; `profile rbd` has it.
    public func addToBlocklist(_ address: String, seconds: UInt32) throws(RADOSError) {
        let result = address.withCString { text -> CInt in
            let copy = strdup(text)
            defer { free(copy) }
            return withRawCluster { rados_blocklist_add($0, copy, seconds) }
        }
        try check(result, "rados_blocklist_add", address)
        try refreshMap()
    }

    /// Who is refused now.
    ///
    /// Similar to: ceph osd blocklist ls.
    public func blocklist() throws(RADOSError) -> [BlocklistEntry] {
        let answer = try monitorCommand(#"{"prefix":"osd blocklist ls"}"#)
        return String(decoding: answer, as: UTF8.self).parts(at: "\n", omittingEmpty: true).compactMap { line in
            let words = line.parts(at: " ", omittingEmpty: true)
            guard words.count >= 2, words[0].contains("/") else { return nil }
            return BlocklistEntry(address: String(words[0]), until: String(words[1]))
        }
    }

    /// Lets a client in again.
    ///
    /// Similar to: ceph osd blocklist rm.
    ///
    /// - Parameter address: As it stands in the list.
    /// - Throws: `RADOSError` with `.permissionDenied`: `profile rbd` does not allow it, `mon 'allow rw'` does.
    public func removeFromBlocklist(_ address: String) throws(RADOSError) {
        guard address.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) else {
            throw RADOSError(call: "osd blocklist rm", code: .invalidArgument, subject: address)
        }
        _ = try monitorCommand(#"{"prefix":"osd blocklist","blocklistop":"rm","addr":"\#(address)"}"#)
        try refreshMap()
    }
}
