public import RADOS
internal import SystemPackage

/// A client that has an image: it owns the image's lock, watches it, or both; or neither any more, but its node noted it.
public struct ImageClient: Sendable, Hashable, CustomStringConvertible {
    /// Where it is: `10.0.0.7:0/123456`; what a blocklist wants.
    public let address: String
    /// N of `client.N`.
    public let clientID: UInt64?
    /// The lock that it owns, if any.
    public let lock: ImageLockName?
    /// That lock's owner, to break it.
    public let owner: LockOwner?
    /// Whether it watches the image: a client that can be reached renews its watch, a dead one's lasts 30 s.
    public let isWatching: Bool
    /// What its node wrote down of it.
    public let record: HolderRecord?

    /// `node 'worker-1' (10.0.0.7:0/123456) since 2026-11-21T08:09:47Z`, or what of it is known.
    public var description: String {
        guard let record else { return "the client at \(address)" }
        return "node '\(record.node)' (\(address)) since \(record.sinceTime)"
    }
}

/// The locks that an image can have, on its header.
public enum ImageLockName: String, Sendable, Hashable {
    /// librbd's and krbd's own, of images with the exclusive-lock feature; also what `rbd lock add` takes.
    case exclusive = "rbd_lock"
    /// Nacre's, of images without the feature: nothing enforces it but that every node looks.
    case advisory = "nacre_holder"
}

/// An image and who has it.
public struct ImageClients: Sendable {
    /// The image's id.
    public let imageID: String
    /// What it can do.
    public let features: ImageFeatures
    /// Who has it, owners of a lock first, a client that was only noted last.
    public let clients: [ImageClient]
    /// What the last node to have it wrote down; it may be gone.
    public let record: HolderRecord?
}

extension IOContext {
    /// Who has an image, from four reads of its header; it is not opened, so nobody sees us as a watcher.
    ///
    /// Blocks. Implements the class calls `rbd.get_features` and `rbd.metadata_get`.
    ///
    /// - Parameter id: The image's id.
    /// - Returns: The image's clients; nothing when it has no header.
    /// - Throws: `RBDError`.
    public func clients(ofImageID id: String) throws(RBDError) -> ImageClients? {
        let header = ImageObject.header(ofID: id)
        do throws(RADOSError) {
            var input = Encoder()
            input.append(UInt64.max - 1)  // CEPH_NOSNAP
            input.append(true)
            var decoder = Decoder(try call(ClassCall("rbd", "get_features", input: input.bytes), on: header))
            let features = ImageFeatures(rawValue: decoder.number(UInt64.self) ?? 0)
            // Locks before watches: a client that takes both between the reads is seen to live.
            let exclusive = try lockOwners(ImageLockName.exclusive.rawValue, on: header)
            let advisory = try lockOwners(ImageLockName.advisory.rawValue, on: header)
            let record = try holderRecord(header).flatMap { $0.imageID == id ? $0 : nil }
            let watchers = try watchers(of: header)
            return ImageClients(
                imageID: id,
                features: features,
                clients: Self.merge(exclusive, advisory, watchers, record),
                record: record
            )
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
    }

    private func holderRecord(_ header: String) throws(RADOSError) -> HolderRecord? {
        var input = Encoder()
        input.append(HolderRecord.metadataKey)
        do throws(RADOSError) {
            var decoder = Decoder(try call(ClassCall("rbd", "metadata_get", input: input.bytes), on: header))
            return decoder.string().flatMap(HolderRecord.init(parsing:))
        } catch {
            // The key is not there; a header that is not there is noticed by the next read.
            guard error.isNotFound else { throw error }
            return nil
        }
    }

    static func merge(
        _ exclusive: [LockOwner],
        _ advisory: [LockOwner],
        _ watchers: [Watcher],
        _ record: HolderRecord?
    ) -> [ImageClient] {
        var clients: [ImageClient] = []
        for owner in exclusive {
            clients.append(
                ImageClient(
                    address: owner.address,
                    clientID: owner.clientID,
                    lock: .exclusive,
                    owner: owner,
                    isWatching: watchers.contains { $0.clientID == owner.clientID || $0.address == owner.address },
                    record: record?.address == owner.address ? record : nil
                )
            )
        }
        for owner in advisory {
            // Who took it may be the agent; whom it is for, the kernel say, stands in the cookie.
            let holder = HolderRecord(parsing: owner.cookie)
            let address = holder?.address ?? owner.address
            clients.append(
                ImageClient(
                    address: address,
                    clientID: address == owner.address ? owner.clientID : nil,
                    lock: .advisory,
                    owner: owner,
                    isWatching: watchers.contains { $0.address == address },
                    record: holder
                )
            )
        }
        for watcher in watchers where !clients.contains(where: { $0.isWatching && $0.isSame(as: watcher) }) {
            clients.append(
                ImageClient(
                    address: watcher.address,
                    clientID: watcher.clientID,
                    lock: nil,
                    owner: nil,
                    isWatching: true,
                    record: record?.address == watcher.address ? record : nil
                )
            )
        }
        if let record, !clients.contains(where: { $0.address == record.address }) {
            clients.append(
                ImageClient(
                    address: record.address,
                    clientID: nil,
                    lock: nil,
                    owner: nil,
                    isWatching: false,
                    record: record
                )
            )
        }
        return clients
    }
}

extension ImageClient {
    fileprivate func isSame(as watcher: Watcher) -> Bool {
        address == watcher.address || clientID == watcher.clientID
    }
}

extension IOContext {
    /// Writes down who has an image.
    ///
    /// Blocks. Implements the class call `rbd.metadata_set`.
    public func setHolder(_ record: HolderRecord, ofImageID id: String) throws(RBDError) {
        var input = Encoder()
        input.append(UInt32(1))
        input.append(HolderRecord.metadataKey)
        input.append(record.text)
        do throws(RADOSError) {
            _ = try call(ClassCall("rbd", "metadata_set", input: input.bytes), on: ImageObject.header(ofID: id))
        } catch {
            throw RBDError(error)
        }
    }

    /// Takes away what was written down of who has an image; fine when nothing was.
    ///
    /// Blocks. Implements the class call `rbd.metadata_remove`.
    public func removeHolder(ofImageID id: String) throws(RBDError) {
        var input = Encoder()
        input.append(HolderRecord.metadataKey)
        do throws(RADOSError) {
            _ = try call(ClassCall("rbd", "metadata_remove", input: input.bytes), on: ImageObject.header(ofID: id))
        } catch {
            guard !error.isNotFound else { return }
            throw RBDError(error)
        }
    }

    /// Makes sure that a client writes nothing to an image any more, and takes its lock away.
    ///
    /// Blocks. First the blocklist, then the lock: in between nobody has the image, and never two.
    ///
    /// - Parameters:
    ///   - client: Whom; it is refused in the whole cluster, for all images that it has.
    ///   - id: The image's id.
    ///   - seconds: For how long it is refused.
    /// - Throws: `RBDError` with `.permissionDenied` when the user's caps lack the blocklist.
    public func fence(_ client: ImageClient, ofImageID id: String, seconds: UInt32) throws(RBDError) {
        do throws(RADOSError) {
            try cluster.addToBlocklist(client.address, seconds: seconds)
            guard let lock = client.lock, let owner = client.owner else { return }
            try breakLock(lock.rawValue, on: ImageObject.header(ofID: id), of: owner)
        } catch {
            throw RBDError(error)
        }
    }

    /// Takes a lock of an image away from its owner, who must be fenced; fine when it does not have it.
    ///
    /// Blocks.
    public func breakLock(_ lock: ImageLockName, ofImageID id: String, of owner: LockOwner) throws(RBDError) {
        do throws(RADOSError) {
            try breakLock(lock.rawValue, on: ImageObject.header(ofID: id), of: owner)
        } catch {
            throw RBDError(error)
        }
    }

    /// The id of the image of that name, for who has no task to wait in.
    ///
    /// Blocks. Implements the class call `rbd.get_id`.
    public func idOfImage(named name: String) throws(RBDError) -> String? {
        do throws(RADOSError) {
            var decoder = Decoder(try call(ClassCall("rbd", "get_id"), on: ImageObject.id(ofName: name)))
            return decoder.string()
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
    }
}
