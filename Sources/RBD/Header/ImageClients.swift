public import RADOS
internal import SystemPackage

/// A client that uses an image: it has a lock of the image, watches it, or both.
public struct ImageClient: Sendable, Hashable, CustomStringConvertible {
    /// Its address in the form of the blocklist: `10.0.0.7:0/123456`.
    public let address: String
    /// N of `client.N`; `nil` for a kernel client for which the service took the lock.
    public var clientID: UInt64?
    /// The locks that it has.
    public var locks: [ImageLockName: LockOwner]
    /// Whether it watches the image; a live client renews its watch, and the watch of a dead client expires after 30 s.
    public var isWatching: Bool
    /// What its node wrote down of it.
    public var record: HolderRecord?

    /// `node 'worker-1' (10.0.0.7:0/123456) since 2026-11-21T08:09:47Z`, or what of it is known.
    public var description: String {
        guard let record else { return "the client at \(address)" }
        return "node '\(record.node)' (\(address)) since \(record.sinceTime)"
    }
}

/// The locks that an image can have, on its header.
public enum ImageLockName: String, Sendable, Hashable, CaseIterable {
    /// librbd's and krbd's own, of images with the exclusive-lock feature; also what `rbd lock add` takes.
    ///
    /// krbd takes it with its first write, and hands it over to a client that asks for it.
    case exclusive = "rbd_lock"
    /// Nacre's own, held for as long as a node has the image mapped; its cookie is the node's `HolderRecord`.
    ///
    /// Ceph does not enforce it: every Nacre node reads it before it maps the image.
    case holder = "nacre_holder"
}

/// An image and who has it.
public struct ImageClients: Sendable {
    /// The image's id.
    public let imageID: String
    /// What it can do.
    public let features: ImageFeatures
    /// Who has it, owners of a lock first.
    public let clients: [ImageClient]
    /// Its metadata: Nacre's own keys, and maybe others; empty where it was not read.
    public let metadata: [String: String]
}

extension IOContext {
    /// Who uses an image, from four reads of its header; the image is not opened, so this client does not become a
    /// watcher.
    ///
    /// Blocks the calling thread. Implements the class call `rbd.get_features`.
    ///
    /// - Parameter id: The image's id.
    /// - Returns: The image's clients; `nil` if it has no header.
    /// - Throws: `RBDError`.
    public func clients(ofImageID id: String) throws(RBDError) -> ImageClients? {
        let header = ImageObject.header(ofID: id)
        do throws(RADOSError) {
            var input = Encoder()
            input.append(UInt64.max - 1)  // CEPH_NOSNAP
            input.append(true)
            var decoder = Decoder(try call(ClassCall("rbd", "get_features", input: input.bytes), on: header))
            let features = ImageFeatures(rawValue: decoder.number(UInt64.self) ?? 0)
            // Locks are read before watches: a client that takes both between the reads is then seen to be alive.
            let holders = try lockOwners(ImageLockName.holder.rawValue, on: header)
            let exclusive = try lockOwners(ImageLockName.exclusive.rawValue, on: header)
            let watchers = try watchers(of: header)
            return ImageClients(
                imageID: id,
                features: features,
                clients: Self.merge(holders, exclusive, watchers),
                metadata: [:]
            )
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
    }

    /// Who uses an image, and what Nacre noted on it, from two reads of its header, without blocking a thread.
    ///
    /// Implements the class calls `rbd.get_features`, `lock.get_info` and `rbd.metadata_list`, and
    /// `librados::ObjectReadOperation::list_watchers`.
    ///
    /// - Parameter id: The image's id.
    /// - Returns: The image's clients; `nil` if it has no header.
    /// - Throws: `RBDError`.
    public func clients(ofImageID id: String) async throws(RBDError) -> ImageClients? {
        let header = ImageObject.header(ofID: id)
        var input = Encoder()
        input.append(UInt64.max - 1)  // CEPH_NOSNAP
        input.append(true)
        let calls = [
            ClassCall("rbd", "get_features", input: input.bytes), .askingOwners(of: .holder),
            .askingOwners(of: .exclusive), .listingMetadata(after: "nacre.io/"),
        ]
        guard let answers = try await classCalls(calls, on: header) else { return nil }
        guard let holders = LockOwner.owners(in: answers[1]), let exclusive = LockOwner.owners(in: answers[2]) else {
            throw RBDError(call: "lock.get_info", code: .ioError, subject: "\(label)/\(header)")
        }
        var decoder = Decoder(answers[0])
        // Locks are read before watches: a client that takes both between the reads is then seen to be alive.
        guard let watchers = try await outcome(ofWatchersOf: header).get() else { return nil }
        return ImageClients(
            imageID: id,
            features: ImageFeatures(rawValue: decoder.number(UInt64.self) ?? 0),
            clients: Self.merge(holders, exclusive, watchers),
            metadata: ClassCall.metadata(in: answers[3])
        )
    }

    static func merge(_ holders: [LockOwner], _ exclusive: [LockOwner], _ watchers: [Watcher]) -> [ImageClient] {
        var clients: [ImageClient] = []
        func note(_ address: String, _ clientID: UInt64?, _ change: (inout ImageClient) -> Void) {
            let known = clients.firstIndex {
                $0.address == address || clientID != nil && $0.clientID == clientID
            }
            var client =
                known.map { clients[$0] }
                ?? ImageClient(address: address, clientID: nil, locks: [:], isWatching: false, record: nil)
            client.clientID = client.clientID ?? clientID
            change(&client)
            if let known { clients[known] = client } else { clients.append(client) }
        }
        for owner in holders {
            // The service may have taken the lock for the kernel; the cookie names the client that the lock is for.
            let record = HolderRecord(parsing: owner.cookie)
            let address = record?.address ?? owner.address
            note(address, address == owner.address ? owner.clientID : nil) { client in
                client.locks[.holder] = owner
                client.record = record
            }
        }
        for owner in exclusive {
            note(owner.address, owner.clientID) { $0.locks[.exclusive] = owner }
        }
        for watcher in watchers {
            note(watcher.address, watcher.clientID) { $0.isWatching = true }
        }
        return clients
    }
}

extension IOContext {
    /// Takes the holder's lock of an image.
    ///
    /// Blocks the calling thread. A second call succeeds, and so does a call while another server of the same keeper
    /// has the lock.
    ///
    /// - Parameters:
    ///   - record: Who takes it.
    ///   - id: The image's id.
    /// - Throws: `RBDError` with `.resourceBusy` when somebody else has it.
    public func lockAsHolder(_ record: HolderRecord, ofImageID id: String) throws(RBDError) {
        do throws(RADOSError) {
            try lock(
                ImageLockName.holder.rawValue,
                on: ImageObject.header(ofID: id),
                cookie: record.text,
                sharedAs: record.tenure
            )
        } catch {
            throw RBDError(error)
        }
    }

    /// Makes sure that a client writes nothing to an image any more, and takes its lock away.
    ///
    /// Blocks the calling thread. It adds the client to the blocklist first and breaks the lock then, so that never two
    /// clients can write.
    ///
    /// - Parameters:
    ///   - client: The client to fence; the cluster refuses all its operations, on all images.
    ///   - id: The image's id.
    ///   - seconds: For how long it is refused.
    /// - Throws: `RBDError` with `.permissionDenied` when the user's caps lack the blocklist.
    public func fence(_ client: ImageClient, ofImageID id: String, seconds: UInt32) throws(RBDError) {
        do throws(RADOSError) {
            try cluster.addToBlocklist(client.address, seconds: seconds)
            try breakLocks(of: client, on: ImageObject.header(ofID: id))
        } catch {
            throw RBDError(error)
        }
    }

    /// Breaks the locks that a fenced client has on an image, without blocking a thread; succeeds if it has none.
    ///
    /// Implements the class call `lock.break_lock`.
    public func breakLocks(of client: ImageClient, ofImageID id: String) async throws(RBDError) {
        let header = ImageObject.header(ofID: id)
        // As below.
        for lock in [ImageLockName.exclusive, .holder] {
            guard let owner = client.locks[lock] else { continue }
            guard let clientID = owner.clientID else {
                throw RBDError(call: "lock.break_lock", code: .invalidArgument, subject: "\(label)/\(header)")
            }
            do throws(RADOSError) {
                try await execute(.breaking(lock, of: clientID, cookie: owner.cookie), on: header, isOld: true)
            } catch {
                guard error.isNotFound else { throw RBDError(error) }
            }
        }
    }

    private func breakLocks(of client: ImageClient, on header: String) throws(RADOSError) {
        // The holder's lock goes last: while it exists, no other Nacre node takes the image.
        for lock in [ImageLockName.exclusive, .holder] {
            guard let owner = client.locks[lock] else { continue }
            try breakLock(lock.rawValue, on: header, of: owner)
        }
    }

    /// The name that the pool's directory has for an image's id, for callers that run outside of a task.
    ///
    /// Blocks the calling thread. Implements the class call `rbd.dir_get_name`.
    public func nameOfImage(withID id: String) throws(RBDError) -> String? {
        var input = Encoder()
        input.append(id)
        do throws(RADOSError) {
            let answer = try call(ClassCall("rbd", "dir_get_name", input: input.bytes), on: ImageObject.directory)
            var decoder = Decoder(answer)
            return decoder.string()
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
    }

    /// The id of the image of that name, for callers that run outside of a task.
    ///
    /// Blocks the calling thread. Implements the class call `rbd.get_id`.
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
