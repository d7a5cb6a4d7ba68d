internal import CRBD
internal import ExactText
internal import ImageMapping
internal import ImageOwnership
internal import LinuxKernel
internal import RADOS
internal import RBD
internal import SystemPackage

/// The locks of an image, held by a server for as long as it lives.
///
/// | lock | against |
/// | --- | --- |
/// | the holder's, shared by the servers of one keeper | other Nacre nodes, with any mapper |
/// | librbd's own, if the image has the exclusive-lock feature; it is never handed over | all other clients |
///
/// A watch shows whether their owner is alive, so neither lock is renewed. A lock that expires would free the image of
/// an owner that is only slow and not fenced.
///
/// A successor may continue only if the dead server's share of the holder's lock still exists. Otherwise another node
/// has taken the image meanwhile, and earlier acknowledged writes must not overwrite what was written since.
struct ImageLock {
    let context: IOContext
    let configuration: ImageServerConfiguration
    let process: ProcessIdentity
    /// The first keeper, whose identity its successors keep.
    let keeper: ProcessIdentity
    /// Whether a server of the same keeper ran before.
    let isSuccessor: Bool
    /// The image that the mapping had before; nothing when that was not written down.
    let known: ImageIdentity?
    let log: (String) -> Void

    private var image: ImageAddress { configuration.image }

    /// Waits until no other node holds the image, fences dead clients, and returns the image's id.
    func settle() throws(MappingError) -> String {
        var rivals = ImageRivals(context: context, image: image, node: configuration.node)
        rivals.dead = configuration.dead
        rivals.tally = FenceTally(stateDirectory: configuration.directory.stateDirectory)
        rivals.log = log
        if configuration.sharing == .oneNode {
            if isSuccessor {
                try refuseAnother(try imageID())
                try succeed(try rivals.look())
            }
            return try rivals.settle()
        }
        let id = try imageID()
        if isSuccessor { try refuseAnother(id) }
        guard let id else { throw MappingError(.notFound, "there is no image \(image)") }
        try rivals.requireData(of: id, isWritten: configuration.sharing != .readers)
        return id
    }

    /// The id of the image that has the name now.
    private func imageID() throws(MappingError) -> String? {
        do throws(RBDError) {
            return try context.idOfImage(named: image.name)
        } catch {
            throw MappingError("look up image \(image)", error)
        }
    }

    private func isKnown(_ id: String?) -> Bool {
        guard let known else { return true }
        return id.map { ImageIdentity(poolID: context.poolID, imageID: $0) } == known
    }

    /// Refuses to go on with another image than the dead server had; one that has only lost its name may get it back.
    private func refuseAnother(_ id: String?) throws(MappingError) {
        guard let known, !isKnown(id) else { return }
        let now = try ImageWhereabouts(of: known, as: image, on: context.cluster)
        guard let change = now.change(of: image) else { return }
        guard now.named == nil else {
            throw MappingError(
                .replaced,
                "\(change): its I/O fails from now on, and what was not stable is lost; end its use on this node, then "
                    + "stage its volume again"
            )
        }
        throw MappingError(
            .notFound,
            "\(change): its I/O waits until it has its name again"
                + (now.presentName.map { ": rbd mv \($0.shellWord) \("\(image)".shellWord)" } ?? "")
        )
    }

    /// Whether nobody has had the image since a server of this mapping died: it is the same, and its lock is still there.
    func isContinuous() throws(MappingError) -> Bool {
        // One that has only lost its name is refused later, and may get it back.
        if known != nil, let id = try imageID(), !isKnown(id) { return false }
        guard configuration.sharing == .oneNode else { return true }
        let rivals = ImageRivals(context: context, image: image, node: configuration.node)
        let dead = Set(configuration.dead)
        return try rivals.look().clients.contains { $0.locks[.holder] != nil && dead.contains($0.address) }
    }

    /// Takes the locks, if the image is for one node.
    func acquire(_ open: Image, _ imageID: String) throws(MappingError) {
        guard configuration.sharing == .oneNode else { return }
        let features = try Self.features(of: open)
        guard try !Self.isCopyOfMirror(open, features) else {
            throw MappingError.copyOfMirror("lock image \(image)", image)
        }
        // A successor has its share since `settle`; the record has a new time, so a second call would take a second
        // share.
        if !isSuccessor { try lockAsHolder(imageID) }
        guard features.contains(.exclusiveLock) else { return }
        let result = open.withRawImage { rbd_lock_acquire($0, RBD_LOCK_MODE_EXCLUSIVE) }
        guard result < 0 else { return }
        let error = RBDError(call: "rbd_lock_acquire", code: .init(rawValue: -result), subject: open.spec)
        release(open, imageID)
        throw try lost(to: .exclusive, imageID) ?? MappingError("lock image \(image)", error)
    }

    /// Gives the locks up.
    func release(_ open: Image, _ imageID: String) {
        guard configuration.sharing == .oneNode else { return }
        // If any of this fails, the image was taken, or the next server will find this one dead.
        _ = open.withRawImage { rbd_lock_release($0) }
        let ours = context.cluster.instanceID
        let header = ImageObject.header(ofID: imageID)
        for client in (try? context.clients(ofImageID: imageID))?.clients ?? [] where client.clientID == ours {
            guard let owner = client.locks[.holder] else { continue }
            try? context.unlock(ImageLockName.holder.rawValue, on: header, cookie: owner.cookie)
        }
    }

    /// Takes a share of the lock before the dead server's share is broken.
    private func succeed(_ found: ImageClients) throws(MappingError) {
        let tenure: String
        do throws(RBDError) {
            tenure = try record().tenure
        } catch {
            throw MappingError("lock image \(image)", error)
        }
        guard found.clients.contains(where: { $0.locks[.holder] != nil && $0.record?.tenure == tenure }) else {
            let holder = found.clients.first { $0.locks[.holder] != nil }
            throw MappingError(
                .fenced,
                "image \(image) was taken from this node\(holder.map { " and is with \($0)" } ?? ""): its I/O fails from "
                    + "now on, and what was not stable is lost; stage its volume again"
            )
        }
        try lockAsHolder(found.imageID)
    }

    private func lockAsHolder(_ imageID: String) throws(MappingError) {
        let failure: RBDError
        do throws(RBDError) {
            return try context.lockAsHolder(try record(), ofImageID: imageID)
        } catch {
            failure = error
        }
        throw try lost(to: .holder, imageID) ?? MappingError("lock image \(image)", failure)
    }

    private func record() throws(RBDError) -> HolderRecord {
        do throws(RADOSError) {
            return configuration.node.record(
                address: try context.cluster.addresses(),
                mapper: configuration.front.name,
                process: process,
                keeper: keeper
            )
        } catch {
            throw RBDError(error)
        }
    }

    /// Who took the lock since we looked.
    private func lost(to lock: ImageLockName, _ imageID: String) throws(MappingError) -> MappingError? {
        do throws(RBDError) {
            let ours = context.cluster.instanceID
            let owner = try context.clients(ofImageID: imageID)?.clients
                .first { $0.locks[lock] != nil && $0.clientID != ours }
            return owner.map { ImageRivals.inUse(image, $0) }
        } catch {
            throw MappingError("read who has image \(image)", error)
        }
    }

    private static func isCopyOfMirror(_ open: Image, _ features: ImageFeatures) throws(MappingError) -> Bool {
        guard features.contains(.journaling), !features.contains(.nonPrimary) else {
            return features.contains(.nonPrimary)
        }
        do throws(RBDError) {
            return try open.isCopyOfMirror()
        } catch {
            throw MappingError("read the image's mirroring", error)
        }
    }

    /// What an open image can do.
    static func features(of open: Image) throws(MappingError) -> ImageFeatures {
        var bits: UInt64 = 0
        let result = open.withRawImage { rbd_get_features($0, &bits) }
        guard result >= 0 else {
            let error = RBDError(call: "rbd_get_features", code: .init(rawValue: -result), subject: open.spec)
            throw MappingError("read the image's features", error)
        }
        return ImageFeatures(rawValue: bits)
    }
}
