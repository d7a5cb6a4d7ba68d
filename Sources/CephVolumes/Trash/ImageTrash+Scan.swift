internal import ExactText
internal import RADOS
internal import RBD
public import Secrets
internal import Timestamps
public import Volumes

/// A user that a pool's trash can be looked into as.
public struct PoolUser: Sendable, Hashable {
    /// The cluster's key in config.json.
    public var clusterID: String
    /// The pool; nothing for all that the user sees.
    public var pool: String?
    /// The user.
    public var credentials: Credentials

    /// Pairs a pool with a user.
    public init(clusterID: String, pool: String?, credentials: Credentials) {
        self.clusterID = clusterID
        self.pool = pool
        self.credentials = credentials
    }
}

/// What a look into a cluster's trash came to.
public struct TrashLook: Sendable, Hashable {
    /// Images that the purger was handed.
    public var due = 0
    /// Images of ours that are kept for a while yet.
    public var kept = 0
    /// Images of deleted volumes that are kept for their snapshots, or for clones.
    public var keptForSnapshots = 0
    /// Images that look like ours and that somebody else moved there: they are his.
    public var others = 0
    /// What could not be looked into, and why.
    public var failures: [String] = []

    /// Saw nothing.
    public init() {}
}

extension ImageTrash {
    /// Hands the purger what lies in the trash and is due, put there by whichever process of Nacre's.
    ///
    /// Only what Nacre put there: its mark on the image tells when, and the entry the same (`TrashMark`). What a person or
    /// another program moved there is theirs, also when Nacre made the image.
    ///
    /// - Parameters:
    ///   - clusterID: The cluster.
    ///   - users: Whom to ask as, for each pool; the service's own user for all pools when nothing is given.
    /// - Returns: What was found, and what could not be looked into.
    /// - Throws: `VolumeError` when the cluster could not be asked at all.
    public func adoptTrash(
        ofCluster clusterID: String,
        as users: [PoolUser]? = nil
    ) async throws(VolumeError) -> TrashLook {
        let namespace = try access.configuration.cluster(clusterID).radosNamespace
        var look = TrashLook()
        var looked: Set<ExactText> = []
        var all = users ?? []
        if users == nil {
            all.append(PoolUser(clusterID: clusterID, pool: nil, credentials: try access.service.read()))
        }
        var failures: [ExactText: String] = [:]
        // Who works in a pool may empty its trash; the user for all pools may be one who only reads.
        let ordered = all.filter { $0.pool != nil } + all.filter { $0.pool == nil }
        for user in ordered where user.clusterID.isExactly(clusterID) {
            var pools = [user.pool].compactMap(\.self)
            if user.pool == nil {
                do throws(VolumeError) {
                    pools = try await access.pools(of: clusterID, as: user.credentials)
                } catch {
                    guard ordered.count > 1 else { throw error }
                    look.failures.append("cannot look into the trash of cluster '\(clusterID)': \(error.message)")
                    continue
                }
            }
            for pool in pools where !looked.contains(ExactText(pool)) {
                do throws(VolumeError) {
                    let anchor = try VolumeID(clusterID: clusterID, pool: pool, namespace: namespace, image: "trash")
                    let place = try await access.place(of: anchor, as: user.credentials)
                    try await adoptTrash(of: place, &look)
                    looked.insert(ExactText(pool))
                } catch {
                    // A pool that is gone has no trash, and those of other applications, which a user for all may not
                    // read, hold nothing of ours.
                    guard error.code != .invalidArgument, user.pool != nil || error.code != .permissionDenied else {
                        continue
                    }
                    failures[ExactText(pool)] = "cannot look into the trash of pool '\(pool)': \(error.message)"
                }
            }
        }
        look.failures += failures.filter { !looked.contains($0.key) }.sorted { $0.key < $1.key }.map(\.value)
        return look
    }

    private func adoptTrash(of place: Place, _ look: inout TrashLook) async throws(VolumeError) {
        // First: what nothing needs any more goes to the trash, and is found there.
        do throws(VolumeError) {
            try await releaseKept(in: place, &look)
        } catch {
            look.failures.append(error.message)
        }
        do throws(VolumeError) {
            try await flattener?.adopt(from: place)
        } catch {
            look.failures.append(error.message)
        }
        let entries = try await place.trying("read the trash of") { () async throws(RBDError) in
            try await trash(of: place)
        }
        let now = Duration.sinceEpoch
        for entry in entries where entry.source == .user || entry.source == .removing {
            let whose = try await place.trying("look into the trash for") { () async throws(RBDError) in
                try await owner(of: entry, in: place)
            }
            switch whose {
            case .nobody: continue
            case .others: look.others += 1
            case .ours where entry.deferredUntil > now:
                look.kept += 1
                // Only what is wholly there can be had back.
                _ = await isThere(entry, in: place)
            case .ours:
                guard await isThere(entry, in: place), let there = try? place.sibling(entry.name) else { continue }
                purger.add(TrashedImage(id: there.id, imageID: entry.id, credentials: place.credentials))
                look.due += 1
            }
        }
    }

    private enum Owner { case ours, others, nobody }

    /// Whose an entry is.
    ///
    /// A removal that was killed takes the header, and with it the marks, before the entry: of such, nothing is left but
    /// the entry, and a name like ours says that it is ours to end.
    private func owner(of entry: TrashRecord, in place: Place) async throws(RBDError) -> Owner {
        guard let marks = try await place.context.metadata(ofImageID: entry.id, prefix: ImageMetadataKey.prefix) else {
            let isNamedLikeOurs =
                ImageName.endsInUUID(entry.name) || entry.name.isExactly(KeptMark.name(ofImageID: entry.id))
            return entry.state == .removing && isNamedLikeOurs ? .ours : .nobody
        }
        if let mark = marks[ImageMetadataKey.trashed].flatMap(TrashMark.init), mark.covers(entry) {
            if mark.isMoving {
                // The move was killed before the mark got the time, or is about to give it the same.
                let known = TrashMark(time: entry.deletedAt, user: mark.user)
                try await place.context.setMetadata([ImageMetadataKey.trashed: known.text], ofImageID: entry.id)
            }
            return .ours
        }
        let isOfOurMaking = (marks[ImageMetadataKey.requestName] ?? marks[ImageMetadataKey.adopted]) != nil
        return isOfOurMaking ? .others : .nobody
    }

    /// Everything in the trash.
    func trash(of place: Place) async throws(RBDError) -> [TrashRecord] {
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
    /// here; one that still has the name is under way, or the next delete's to do. One that is listed still, and was begun
    /// long ago, is ended, too: no look sees a volume there, so nobody may call another delete.
    private func isThere(_ entry: TrashRecord, in place: Place) async -> Bool {
        guard entry.state == .moving else { return true }
        do throws(RBDError) {
            guard try await place.context.imageID(named: entry.name) != entry.id else { return false }
            if try await place.context.listedID(of: entry.name) == entry.id {
                guard entry.deletedAt + TrashMark.longestMove < .sinceEpoch else { return false }
                do throws(RADOSError) {
                    try await place.context.unlistImage(entry.name, id: entry.id)
                } catch {
                    return false
                }
            }
            try await place.context.setTrashState(of: entry.id, to: .normal, expecting: .moving)
            return true
        } catch {
            return false
        }
    }
}
