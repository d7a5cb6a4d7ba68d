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
            for entry in (try? await trash(of: place)) ?? [] where ImageName.endsInUUID(entry.name) {
                guard entry.source == .user || entry.source == .removing else { continue }
                guard await isOurs(entry, in: place), let id = try? place.id.sibling(entry.name) else { continue }
                guard await isThere(entry, in: place) else { continue }
                let own = Place(
                    id: id,
                    link: place.link,
                    context: place.context,
                    credentials: place.credentials,
                    looks: looks
                )
                purger.add(entry.id, named: entry.name, of: own)
                adopted += 1
            }
        }
        return adopted
    }

    /// Whether Nacre made the image, or what is left of it is nothing but its entry: a removal that was killed takes the
    /// header, and with it the metadata, before the entry.
    private func isOurs(_ entry: TrashRecord, in place: Place) async -> Bool {
        do throws(RBDError) {
            guard let metadata = try await place.context.metadata(ofImageID: entry.id) else { return true }
            return metadata[ImageMetadataKey.requestName] != nil
        } catch {
            return false
        }
    }

    private func trash(of place: Place) async throws(RBDError) -> [TrashRecord] {
        var all: [TrashRecord] = []
        while true {
            let page = try await place.context.trashRecords(after: all.last?.id ?? "", limit: 1024)
            all += page
            guard page.count == 1024 else { return all }
        }
    }

    /// Whether the entry can be removed.
    ///
    /// A move to the trash that was killed after it took the name away, but before it said that it is done, is ended
    /// here; one that still has the name is under way, or the next delete's to do.
    private func isThere(_ entry: TrashRecord, in place: Place) async -> Bool {
        guard entry.state == .moving else { return true }
        do throws(RBDError) {
            guard try await place.context.imageID(named: entry.name) != entry.id,
                try await place.context.listedID(of: entry.name) != entry.id
            else { return false }
            try await place.context.setTrashState(of: entry.id, to: .normal, expecting: .moving)
            return true
        } catch {
            return false
        }
    }
}
