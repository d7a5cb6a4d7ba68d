internal import CRBD
internal import Glibc
internal import RADOS
internal import RBD
internal import SystemPackage

/// The exclusive lock of an image, held by a server for as long as it lives.
struct ImageLock {
    let image: Image
    let cluster: Cluster

    /// Takes the lock; breaks that of `predecessor`, a server of this node that is known to be dead.
    ///
    /// A client that took the lock for one change gives it up when asked; one that holds it on purpose does not.
    /// An image without the feature has no lock: then any other watcher is taken for a user of it.
    func acquire(predecessor: String?) throws(MappingError) {
        guard try hasExclusiveLock() else { return try refuseWatchers(but: predecessor) }
        // Before asking for the lock: librbd would wait for the dead client's watch to run out, 30 s.
        if let predecessor, let owner = owners().first, Self.same(owner, predecessor) { try breakLock(of: owner) }
        let result = image.withRawImage { rbd_lock_acquire($0, RBD_LOCK_MODE_EXCLUSIVE) }
        guard result < 0 else { return }
        let error = RBDError(call: "rbd_lock_acquire", code: .init(rawValue: -result), subject: image.spec)
        guard let owner = owners().first else { throw MappingError("lock the image", error) }
        throw MappingError(
            .inUse,
            "cannot lock the image \(error): the client at \(owner) has its exclusive lock; "
                + "unmap it there first, or blocklist a dead client: ceph osd blocklist add \(owner)"
        )
    }

    /// Blocklists a dead client and takes its lock away.
    private func breakLock(of owner: String) throws(MappingError) {
        let result = image.withRawImage { rbd_lock_break($0, RBD_LOCK_MODE_EXCLUSIVE, owner) }
        guard result < 0, result != -ENOENT else { return }
        throw MappingError(
            "break the lock of the dead server at \(owner)",
            RBDError(call: "rbd_lock_break", code: .init(rawValue: -result), subject: image.spec)
        )
    }

    /// Gives the lock up.
    func release() {
        _ = image.withRawImage { rbd_lock_release($0) }
    }

    private func hasExclusiveLock() throws(MappingError) -> Bool {
        var bits: UInt64 = 0
        let result = image.withRawImage { rbd_get_features($0, &bits) }
        guard result >= 0 else {
            let error = RBDError(call: "rbd_get_features", code: .init(rawValue: -result), subject: image.spec)
            throw MappingError("read the image's features", error)
        }
        return ImageFeatures(rawValue: bits).contains(.exclusiveLock)
    }

    private func owners() -> [String] {
        var mode = RBD_LOCK_MODE_EXCLUSIVE
        var owners = [UnsafeMutablePointer<CChar>?](repeating: nil, count: 8)
        var count = owners.count
        let result = image.withRawImage { rbd_lock_get_owners($0, &mode, &owners, &count) }
        guard result >= 0 else { return [] }
        defer { rbd_lock_get_owners_cleanup(&owners, count) }
        return owners.prefix(count).compactMap { $0.map { String(cString: $0) } }
    }

    private func refuseWatchers(but predecessor: String?) throws(MappingError) {
        var watchers = [rbd_image_watcher_t](repeating: rbd_image_watcher_t(), count: 32)
        var count = watchers.count
        let result = image.withRawImage { rbd_watchers_list($0, &watchers, &count) }
        guard result >= 0 else {
            let error = RBDError(call: "rbd_watchers_list", code: .init(rawValue: -result), subject: image.spec)
            throw MappingError("list the image's watchers", error)
        }
        defer { rbd_watchers_list_cleanup(&watchers, count) }
        let ourselves = Int64(bitPattern: cluster.instanceID)
        for watcher in watchers.prefix(count) where watcher.id != ourselves {
            let address = watcher.addr.map { String(cString: $0) } ?? "client.\(watcher.id)"
            if let predecessor, Self.same(address, predecessor) { continue }
            throw MappingError(
                .inUse,
                "image '\(image.spec)' has no exclusive-lock feature and the client at \(address) has it open; "
                    + "unmap it there first"
            )
        }
    }

    /// Whether two texts name one client; librados writes `[v2:…]` in some places, a bare address in others.
    private static func same(_ left: String, _ right: String) -> Bool {
        let (left, right) = (nonces(left), nonces(right))
        return !left.isDisjoint(with: right)
    }

    /// `address:port/nonce` without the protocol; a port of 0 is a client's.
    private static func nonces(_ text: String) -> Set<Substring> {
        let parts = text.split { "[], ".contains($0) }
        return Set(parts.map { $0.hasPrefix("v1:") || $0.hasPrefix("v2:") ? $0.dropFirst(3) : $0 })
    }
}
