internal import CRBD
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
/// | the holder's, shared by the servers of one keeper | other nodes of ours, whatever their mapper |
/// | librbd's own, where the image has the exclusive-lock feature, taken so that it is never handed over | all others |
///
/// A watch says of both whether their owner lives, so neither is renewed: a lock that ran out by itself would free the
/// image of an owner who is only slow, unfenced.
///
/// A server that comes after a dead one may go on only if the dead one's share of the holder's lock is still there: else
/// the image was taken from this node meanwhile, and what was acknowledged before must not be written over what others
/// wrote since.
struct ImageLock {
    let context: IOContext
    let configuration: ImageServerConfiguration
    let process: ProcessIdentity
    /// The first keeper: its successors go on in its name.
    let keeper: ProcessIdentity
    /// Whether a server of the same keeper was here before.
    let isSuccessor: Bool
    let log: (String) -> Void

    private var image: ImageAddress { configuration.image }

    /// Waits until no other node has the image, fences who is dead, and says the image's id.
    func settle() throws(MappingError) -> String {
        var claim = ImageClaim(context: context, image: image, node: configuration.node)
        claim.dead = configuration.dead
        claim.tally = FenceTally(stateDirectory: configuration.directory.stateDirectory)
        claim.log = log
        if configuration.sharing == .oneNode {
            if isSuccessor { try succeed(try claim.look()) }
            return try claim.settle()
        }
        do throws(RBDError) {
            if let id = try context.idOfImage(named: image.name) { return id }
        } catch {
            throw MappingError("look up image \(image)", error)
        }
        throw MappingError(.notFound, "there is no image \(image)")
    }

    /// Takes the locks where the image is for one node.
    func acquire(_ open: Image, _ imageID: String) throws(MappingError) {
        guard configuration.sharing == .oneNode else { return }
        // A successor has it since it settled; the record has a new time, so that a second call would take a second share.
        if !isSuccessor { try lockAsHolder(imageID) }
        guard try Self.features(of: open).contains(.exclusiveLock) else { return }
        let result = open.withRawImage { rbd_lock_acquire($0, RBD_LOCK_MODE_EXCLUSIVE) }
        guard result < 0 else { return }
        let error = RBDError(call: "rbd_lock_acquire", code: .init(rawValue: -result), subject: open.spec)
        release(open, imageID)
        throw try lost(to: .exclusive, imageID) ?? MappingError("lock the image", error)
    }

    /// Gives the locks up.
    func release(_ open: Image, _ imageID: String) {
        guard configuration.sharing == .oneNode else { return }
        // Where any of it fails the image is not ours any more, or the next one finds us dead.
        _ = open.withRawImage { rbd_lock_release($0) }
        let ours = context.cluster.instanceID
        let header = ImageObject.header(ofID: imageID)
        for client in (try? context.clients(ofImageID: imageID))?.clients ?? [] where client.clientID == ours {
            guard let owner = client.locks[.holder] else { continue }
            try? context.unlock(ImageLockName.holder.rawValue, on: header, cookie: owner.cookie)
        }
    }

    /// Takes a share of the dead server's lock before that one's is broken.
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
        throw try lost(to: .holder, imageID) ?? MappingError("lock the image", failure)
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
            return owner.map { ImageClaim.inUse(image, $0) }
        } catch {
            throw MappingError("read who has image \(image)", error)
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
