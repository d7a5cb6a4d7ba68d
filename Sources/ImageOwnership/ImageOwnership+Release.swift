internal import ExactText
public import ImageMapping
internal import KernelMapping
internal import RADOS
internal import RBD
internal import Synchronization

/// The way back: what is unmapped loses its lock, now or as soon as somebody can be asked.
extension ImageOwnership {
    /// Takes back what `hold` did, once the image is unmapped; does what it can, and notes what it cannot.
    ///
    /// What it cannot is left to `regain`.
    public func release(_ image: ImageAddress) {
        let found = noting.withLock { _ -> HeldNote? in
            guard var note = heldNotes.note(of: image) else { return nil }
            note.isUnmapped = true
            try? heldNotes.write(note)
            return note
        }
        guard let note = found, let held = state.withLock({ $0.held.removeValue(forKey: image) }),
            let node = try? knownNode()
        else { return }
        try? connections.connected(for: held.request) { (context) throws(MappingError) in
            try release(note, node, in: context)
        }
    }

    /// Removes a note, unless the image was mapped again meanwhile.
    func remove(_ note: HeldNote) {
        noting.withLock { _ in
            guard heldNotes.note(of: note.image) == note, !heldImages.contains(note.image) else { return }
            try? heldNotes.remove(note.image)
        }
    }

    /// Takes back the locks of what was unmapped while nobody could be asked to: after a restart, or without the cluster.
    func releaseNoted(_ cluster: Cluster, _ clusterID: String, _ node: NodeIdentity) {
        for note in heldNotes.all() where note.isUnmapped && note.image.clusterID.isExactly(clusterID) {
            do throws(RADOSError) {
                let context = try cluster.ioContext(pool: note.image.pool, namespace: note.image.namespace)
                // Another user of the cluster's may be asked next.
                try? release(note, node, in: context)
            } catch {
                continue
            }
        }
    }

    /// Gives back a lock, and forgets it once it is gone.
    func release(_ note: HeldNote, _ node: NodeIdentity, in context: IOContext) throws(MappingError) {
        // What the kernel has mapped again, or still, keeps its lock.
        guard !KernelRBDBus().clientAddresses().contains(note.address) else { return }
        let header = ImageObject.header(ofID: note.imageID)
        var isLeft = false
        do throws(RBDError) {
            for (client, owner) in try holders(note, in: context) {
                guard let record = client.record, isOurs(record, node) else {
                    // Of another boot it is nobody's any more, and the next one that takes the image sees that.
                    isLeft = isLeft || client.record.map { !isEarlier($0, node) } ?? true
                    continue
                }
                do throws(RADOSError) {
                    try context.breakLock(ImageLockName.holder.rawValue, on: header, of: owner)
                } catch {
                    throw RBDError(error)
                }
            }
        } catch {
            throw MappingError("unlock image \(note.image)", error)
        }
        guard !isLeft else {
            throw MappingError(
                .inUse,
                "cannot unlock image \(note.image): the lock of \(note.address) does not say that it is this node's; when "
                    + "that client is dead for good: nacre node fence \(note.address)"
            )
        }
        remove(note)
    }

    /// Who has the lock of a note.
    func holders(_ note: HeldNote, in context: IOContext) throws(RBDError) -> [(client: ImageClient, owner: LockOwner)]
    {
        (try context.clients(ofImageID: note.imageID)?.clients ?? []).compactMap { client in
            guard client.address.isExactly(note.address) else { return nil }
            return client.locks[.holder].map { (client, $0) }
        }
    }

    private func isOurs(_ record: HolderRecord, _ node: NodeIdentity) -> Bool {
        record.process == nil && record.host.isExactly(node.host) && record.bootID.isExactly(node.bootID)
            && record.nodeUID.map { node.has(uid: $0) } ?? true
    }

    private func isEarlier(_ record: HolderRecord, _ node: NodeIdentity) -> Bool {
        record.host.isExactly(node.host) && !record.bootID.isExactly(node.bootID)
    }
}
