internal import ExactText
public import ImageMapping
internal import LinuxKernel
internal import Logging
internal import RADOS
internal import RBD
public import Secrets

extension ImageOwnership {
    /// The clusters in which an earlier service took locks that this one could not give back yet.
    public var clustersToRegain: Set<String> {
        let known = heldImages
        return Set(heldNotes.all().filter { !known.contains($0.image) }.map(\.image.clusterID))
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
    /// - Throws: `MappingError` when that user cannot.
    public func regain(clusterID: String, monitors: [String], as credentials: Credentials) throws(MappingError) {
        let node = try node()
        for note in heldNotes.all() where note.image.clusterID.isExactly(clusterID) && !heldImages.contains(note.image)
        {
            let request = MapRequest(
                image: note.image,
                monitors: monitors,
                credentials: credentials,
                sharing: .oneNode
            )
            try connected(for: request) { (context) throws(MappingError) -> Void in
                if note.isUnmapped { return try release(note, node, in: context) }
                do throws(RBDError) {
                    _ = try context.clients(ofImageID: note.imageID)
                } catch {
                    throw MappingError("look at the lock of image \(note.image)", error)
                }
            }
            if !note.isUnmapped { hold(request, imageID: note.imageID) }
        }
    }
}
