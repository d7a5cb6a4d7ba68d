internal import CRBD
internal import LinuxKernel
internal import RADOS
internal import RBD
internal import SystemPackage

/// The lock of an image, held by a server for as long as it lives.
///
/// librbd's own where the image has the exclusive-lock feature, taken so that it is never handed over; otherwise an
/// advisory one, which nothing but other nodes of ours observes. A watch says of both whether their owner lives, so
/// neither is renewed: a lock that ran out by itself would free the image of an owner who is only slow, unfenced.
struct ImageLock {
    let context: IOContext
    let configuration: ImageServerConfiguration
    let process: ProcessIdentity
    let log: (String) -> Void

    private var image: ImageAddress { configuration.image }

    /// Waits until no other node has the image, fences who is dead, and says the image's id.
    func settle() throws(MappingError) -> String {
        var claim = ImageClaim(context: context, image: image, node: configuration.node)
        claim.dead = configuration.dead
        claim.log = log
        guard configuration.sharing != .oneNode else { return try claim.settle() }
        do throws(RBDError) {
            if let id = try context.idOfImage(named: image.name) { return id }
        } catch {
            throw MappingError("look up image \(image)", error)
        }
        throw MappingError(.notFound, "there is no image \(image)")
    }

    /// Takes the lock where the image is for one node, and writes down who has it.
    func acquire(_ open: Image, _ imageID: String) throws(MappingError) {
        guard configuration.sharing == .oneNode else { return }
        let record = try record(imageID)
        if try hasExclusiveLock(open) {
            try acquireExclusive(open, imageID)
        } else {
            try acquireAdvisory(imageID, record)
        }
        do throws(RBDError) {
            try context.setHolder(record, ofImageID: imageID)
        } catch {
            throw MappingError("write down who has image \(image)", error)
        }
    }

    /// Gives the lock up, and takes back what was written down.
    func release(_ open: Image, _ imageID: String) {
        guard configuration.sharing == .oneNode else { return }
        // Where any of it fails the image is not ours any more, or the next one finds us dead.
        let header = ImageObject.header(ofID: imageID)
        if let own = try? record(imageID), let found = try? context.clients(ofImageID: imageID) {
            if found.record?.address == own.address { try? context.removeHolder(ofImageID: imageID) }
            for client in found.clients where client.lock == .advisory && client.address == own.address {
                guard let owner = client.owner else { continue }
                try? context.unlock(ImageLockName.advisory.rawValue, on: header, cookie: owner.cookie)
            }
        }
        _ = open.withRawImage { rbd_lock_release($0) }
    }

    private func record(_ imageID: String) throws(MappingError) -> HolderRecord {
        do throws(RADOSError) {
            let address = try context.cluster.addresses()
            return configuration.node.record(
                imageID: imageID,
                address: address,
                mapper: configuration.front.name,
                process: process
            )
        } catch {
            throw MappingError("lock image \(image)", error)
        }
    }

    private func acquireExclusive(_ open: Image, _ imageID: String) throws(MappingError) {
        let result = open.withRawImage { rbd_lock_acquire($0, RBD_LOCK_MODE_EXCLUSIVE) }
        guard result < 0 else { return }
        let error = RBDError(call: "rbd_lock_acquire", code: .init(rawValue: -result), subject: open.spec)
        throw try lost(to: .exclusive, imageID) ?? MappingError("lock the image", error)
    }

    private func acquireAdvisory(_ imageID: String, _ record: HolderRecord) throws(MappingError) {
        let header = ImageObject.header(ofID: imageID)
        do throws(RADOSError) {
            try context.lock(ImageLockName.advisory.rawValue, on: header, cookie: record.text, seconds: 0)
        } catch {
            throw try lost(to: .advisory, imageID) ?? MappingError("lock the image", error)
        }
    }

    /// Who took the lock since we looked.
    private func lost(to lock: ImageLockName, _ imageID: String) throws(MappingError) -> MappingError? {
        do throws(RBDError) {
            let ours = context.cluster.instanceID
            let owner = try context.clients(ofImageID: imageID)?.clients
                .first { $0.lock == lock && $0.clientID != ours }
            return owner.map { ImageClaim.inUse(image, $0) }
        } catch {
            throw MappingError("read who has image \(image)", error)
        }
    }

    private func hasExclusiveLock(_ open: Image) throws(MappingError) -> Bool {
        try Self.features(of: open).contains(.exclusiveLock)
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
