internal import ExactText
public import ImageMapping
internal import KernelMapping
internal import LinuxKernel
internal import Logging
internal import RADOS
internal import RBD
public import Secrets

extension ImageOwnership {
    /// The clusters in which an earlier service took locks that this one could not give back yet, and those in which
    /// what was unmapped is still locked.
    public var clustersToRegain: Set<String> {
        let known = heldImages
        return Set(heldNotes.all().filter { $0.isUnmapped || !known.contains($0.image) }.map(\.image.clusterID))
    }

    /// Makes the connection anew by which locks that an earlier service took are given back: without it an image that is
    /// unmapped stays locked, and whoever takes it next blocklists this node's client for a dead one.
    ///
    /// Blocks. Locks of what is unmapped by now are given back at once.
    ///
    /// - Parameters:
    ///   - clusterID: Whose locks.
    ///   - monitors: The cluster's monitors.
    ///   - credentials: A user that may read those images.
    /// - Throws: `MappingError` when that user cannot, for one of them; the others are regained.
    public func regain(clusterID: String, monitors: [String], as credentials: Credentials) throws(MappingError) {
        let node = try knownNode()
        let known = heldImages
        var failure: MappingError?
        var isReached = false
        for note in heldNotes.all() where note.image.clusterID.isExactly(clusterID) {
            guard note.isUnmapped || !known.contains(note.image) else { continue }
            let request = MapRequest(
                image: note.image,
                monitors: monitors,
                credentials: credentials,
                sharing: .oneNode
            )
            // A cluster that is away is waited for once, not for every note.
            if !isReached { _ = try connections.cluster(for: request) }
            isReached = true
            do throws(MappingError) {
                try regain(note, request, node)
            } catch {
                let isMapped = KernelRBDBus().clientAddresses().contains(note.address)
                if error.kind == .notFound, !isMapped, connections.isPoolGone(request) {
                    // Its locks have gone with it.
                    remove(note)
                } else {
                    failure = failure ?? error
                }
            }
        }
        if let failure { throw failure }
    }

    private func regain(_ note: HeldNote, _ request: MapRequest, _ node: NodeIdentity) throws(MappingError) {
        try connections.connected(for: request) { (context) throws(MappingError) -> Void in
            guard !note.isUnmapped else { return try release(note, node, in: context) }
            let isHeld: Bool
            do throws(RBDError) {
                isHeld = try !holders(note, in: context).isEmpty
            } catch {
                throw MappingError("look at the lock of image \(note.image)", error)
            }
            guard isHeld || KernelRBDBus().clientAddresses().contains(note.address) else { return remove(note) }
            hold(request, imageID: note.imageID)
        }
        // It may have been unmapped since the note was read, when nobody could give back its lock.
        if let now = heldNotes.note(of: note.image), now.isUnmapped { release(note.image) }
    }
}
