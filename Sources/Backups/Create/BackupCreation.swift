public import CephVolumes
internal import ExactText
internal import RBD
internal import Timestamps
public import Volumes

/// One backup of a volume: a snapshot, what has changed since the former one, and its manifest, which is written last.
///
/// | step | a kill after it |
/// | --- | --- |
/// | the snapshot's record on the image, then the snapshot | the next backup removes both |
/// | the plan, at the destination | the next one goes on with it |
/// | a mark, then its chunk, for each part of the plan | what has both is not read again |
/// | the map's name among what is discarded, then the map | the next one goes on |
/// | what it needs goes from among what is discarded | the next one goes on |
/// | the manifest, if the snapshot is still there | the backup is there; the next one tidies up |
/// | the former snapshot is removed, then the plan | the next one tidies up |
public struct BackupCreation: Sendable {
    let store: BackupStore
    let image: ImageAccess
    let owner: String
    let isFull: Bool
    let progress: BackupProgress
    let keys: BackupKeys

    /// What came of it.
    public struct Outcome: Sendable {
        /// The backup.
        public let manifest: Manifest
        /// Whether it is one that was begun before.
        public let wasBegun: Bool
        /// What a person may want to know.
        public let notes: [String]
    }

    /// Prepares a backup.
    ///
    /// - Parameters:
    ///   - store: Where to.
    ///   - image: The volume's image.
    ///   - owner: Who does it, for others: `host 'a', process 123`.
    ///   - isFull: Whether all is read, also if the last backup can be gone on from.
    ///   - progress: What is told of it.
    public init(
        _ store: BackupStore,
        of image: ImageAccess,
        for owner: String,
        isFull: Bool = false,
        _ progress: BackupProgress
    ) {
        self.store = store
        self.image = image
        self.owner = owner
        self.isFull = isFull
        self.progress = progress
        keys = BackupKeys(image.id)
    }

    /// Makes the backup, or goes on with one that was begun.
    public func run() async throws(VolumeError) -> Outcome {
        let imageID = try await image.trying("look up image") { (context) async throws(RBDError) in
            try await context.imageID(named: image.id.image)
        }
        guard let imageID else {
            throw VolumeError(.notFound, "there is no image '\(image.id.imageSpec)' to back up")
        }
        return try await store.locked(keys, for: owner, progress) { (lock) async throws(VolumeError) in
            do throws(VolumeError) {
                return try await run(imageID, lock)
            } catch {
                // Who took a lost lock has removed what this one worked with.
                try await lock.check()
                throw error
            }
        }
    }

    private func run(_ imageID: String, _ lock: any DestinationLock) async throws(VolumeError) -> Outcome {
        let metadata = try await metadata(imageID)
        progress.enter("reading the backups that there are")
        let listing = try await store.backups(of: image.id)
        var notes = listing.damaged.map(\.message)
        // Snapshots' numbers rise; their times are those of several machines.
        let own = listing.backups.filter { $0.imageID.isExactly(imageID) }
        let last = own.max { $0.snapshotID < $1.snapshotID } ?? listing.backups.last
        let chain = try await store.chain(of: image.id, after: last)
        notes += [chain.note].compactMap(\.self)
        let snapshots = ChainSnapshots(
            image: image,
            imageID: imageID,
            chain: chain.id,
            destination: store.name,
            owner: owner
        )
        let (begun, words) = try await begunPlan(snapshots, done: Set(listing.backups.map(\.id)))
        notes += words
        let kept = Set([last?.id, begun?.backup].compactMap(\.self))
        notes += try await snapshots.removeAll(except: kept)
        let plan: BackupPlan
        if let begun { plan = begun } else { plan = try await makePlan(snapshots, last, listing.damaged.isEmpty) }
        let parent: BlockMap
        do throws(VolumeError) {
            parent = try await self.parent(of: plan, in: listing)
        } catch {
            if error.code == .dataLoss { try await giveUp(plan, lock) }
            throw error
        }
        let reader = PackReader(store: store, image: image, keys: keys, plan: plan, progress: progress)
        let outcome = try await reader.run(checking: lock)
        if outcome.mended > 0 {
            notes.append("\(outcome.mended) chunks that were damaged at '\(store.name)' were written anew")
        }
        let manifest = try await finish(plan, parent, outcome.stored, snapshots, metadata, lock)
        do throws(VolumeError) {
            try await lock.check()
            notes += try await snapshots.removeAll(except: [manifest.id])
            try await drop(manifest.id, isDone: true)
        } catch {
            guard error.code == .aborted else { throw error }
            notes.append("a former backup's snapshot may stay on the image until the next backup: \(error.message)")
        }
        return Outcome(manifest: manifest, wasBegun: begun != nil, notes: notes)
    }

    /// What stands on the image, and is to stand on one that is made of the backup.
    private func metadata(_ imageID: String) async throws(VolumeError) -> [String: String] {
        var marks: [String: String] = [:]
        // Beside Nacre's own, what ceph-csi writes.
        for prefix in [ImageMetadataKey.prefix, "csi.storage.k8s.io/"] {
            let found = try await image.trying("read the marks of image") { (context) async throws(RBDError) in
                try await context.metadata(ofImageID: imageID, prefix: prefix)
            }
            marks.merge(found ?? [:]) { $1 }
        }
        try await image.requireOurs("back up image", imageID, marks)
        guard marks[ImageMetadataKey.restoring] == nil else {
            throw VolumeError(
                .failedPrecondition,
                "image '\(image.id.imageSpec)' is half restored, so it is not backed up; finish that first: nacre backup restore"
            )
        }
        return marks
    }

    /// A random UUID.
    ///
    /// See: RFC 9562 §5.4.
    static func newID() -> String {
        var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = Array("0123456789abcdef")
        return bytes.enumerated()
            .map { index, byte in
                ([4, 6, 8, 10].contains(index) ? "-" : "") + "\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
            .joined()
    }
}
