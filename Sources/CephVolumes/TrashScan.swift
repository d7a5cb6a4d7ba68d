internal import RADOS
internal import RBD
public import Volumes

extension RBDImageStore {
    /// Hands the purger what an earlier process left in the trash; returns how many images that were.
    ///
    /// Only what Nacre made and somebody moved there on purpose: a name that ends in a UUID, our metadata on it, and a
    /// deferment that is over. Other programs' trash is theirs.
    public func adoptTrash(ofCluster clusterID: String) async throws(VolumeError) -> Int {
        var adopted = 0
        let namespace = try configuration.cluster(clusterID).radosNamespace
        for pool in try await pools(of: clusterID) {
            let anchor = try VolumeID(clusterID: clusterID, pool: pool, namespace: namespace, image: "trash")
            guard let place = try? await place(of: anchor, as: nil) else { continue }
            let entries = try? await place.blocking("list the trash of") { (context) throws(RBDError) in
                try context.trashEntries()
            }
            for entry in entries ?? [] where entry.wasMovedByUser && ImageName.endsInUUID(entry.name) {
                guard await isOurs(entry, in: place), let id = try? place.id.sibling(entry.name) else { continue }
                let own = Place(id: id, link: place.link, context: place.context, credentials: place.credentials)
                purger.add(entry.id, named: entry.name, of: own)
                adopted += 1
            }
        }
        return adopted
    }

    /// Whether Nacre made the image, or what is left of it is nothing but its entry: a removal that was killed takes the
    /// header, and with it the metadata, before the entry.
    private func isOurs(_ entry: TrashEntry, in place: Place) async -> Bool {
        do throws(RBDError) {
            guard let metadata = try await place.context.metadata(ofImageID: entry.id) else { return true }
            return metadata[VolumeService.requestNameKey] != nil
        } catch {
            return false
        }
    }
}
