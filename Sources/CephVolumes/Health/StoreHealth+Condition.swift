internal import BlockDevices
internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
public import Volumes

extension StoreHealth {
    /// An image's condition: who has it open, and whether its pool can be written to.
    public func condition(of id: VolumeID) async throws(VolumeError) -> VolumeCondition {
        let place = try await access.place(of: id, as: nil)
        let imageID = try await place.trying("look up image") { () async throws(RBDError) in
            try await place.context.imageID(named: id.image)
        }
        guard let imageID else { throw VolumeError(.notFound, "image '\(id.imageSpec)' does not exist") }
        var condition = try await condition(place, imageID)
        let ties = try? await place.trying("read the snapshots of image") { () async throws(RBDError) in
            try await place.context.ties(ofImageID: imageID)
        }
        let image = id.imageSpec.shellWord
        if let ties, !ties.isEmpty, (try? await place.hasOnlyOwnTies(ties, imageID)) == true {
            let count = ties.snapshots.count
            let words =
                switch count {
                case 0: "volumes were made from it"
                case 1: "it has a snapshot of Nacre's"
                default: "it has \(count) snapshots of Nacre's"
                }
            condition.message += "; \(words)"
        } else if let ties = ties?.words(of: image, named: image) {
            condition.message += "; it \(VolumeCondition.undeletable): \(ties)"
        }
        return condition
    }

    private func condition(_ place: Place, _ imageID: String) async throws(VolumeError) -> VolumeCondition {
        let id = place.id
        let found = try await place.trying("read who has image") { () async throws(RBDError) in
            try await place.context.clients(ofImageID: imageID)
        }
        guard let found else { throw VolumeError(.notFound, "image '\(id.imageSpec)' does not exist") }
        let clients = found.clients.filter { $0.clientID != place.context.cluster.instanceID }
        let users = clients.map(\.description).joined(separator: ", ")
        let use = clients.isEmpty ? "not in use" : "\(VolumeCondition.inUse) \(users)"
        // Such a lock is nobody's to fence: nodes refuse the volume.
        if let owner = clients.lazy.compactMap({ $0.locks[.exclusive] }).first(where: { !$0.isAutomatic }) {
            return VolumeCondition(
                isAbnormal: true,
                message:
                    "it \(VolumeCondition.undeletable), mounted or grown by anybody: \(place.lockedByHand(owner)); \(use)"
            )
        }
        if let silent = clients.first(where: { !$0.locks.isEmpty && !$0.isWatching }) {
            return VolumeCondition(
                isAbnormal: true,
                message: "\(silent) has the volume and was not heard of for 30 s; the next node that takes it fences it"
            )
        }
        if let fault = try await markFault(place, imageID) {
            return VolumeCondition(isAbnormal: true, message: "\(fault); \(use)")
        }
        let header = try await place.trying("look at image") { () async throws(RBDError) in
            try await place.context.imageHeader(id: imageID)
        }
        if let header, let unfit = Explanation(unfit: id, await place.features(by: header)) {
            // Ceph lets a migrated image be removed from a certain step on, which the header does not tell.
            let outlook =
                header.features.contains(.migrating)
                ? "until then its delete may be refused" : "until then it \(VolumeCondition.undeletable)"
            return VolumeCondition(isAbnormal: true, message: "\(unfit.words); \(outlook); \(use)")
        }
        let available = try await availableBytes(
            in: PoolAddress(clusterID: id.clusterID, pool: id.pool),
            as: nil
        )
        guard available > 0 else {
            return VolumeCondition(isAbnormal: true, message: "pool '\(id.pool)' is full; writes stall; \(use)")
        }
        if let fault = await beginningFault(place, imageID) {
            return VolumeCondition(isAbnormal: true, message: "\(fault); \(use)")
        }
        return VolumeCondition(isAbnormal: false, message: "image is whole, \(use)")
    }

    /// What is wrong with what stands on the image, in words.
    private func markFault(_ place: Place, _ imageID: String) async throws(VolumeError) -> String? {
        guard let marks = try await place.marks(imageID) else { return nil }
        if ImageOrigin(marks, of: place.id) == .copied {
            return
                "image is no volume's, so it \(VolumeCondition.undeletable) or changed by Nacre: it "
                + "\(VolumeError.lack(marks)); if it is to be one, " + VolumeError.adoption(place.id.imageSpec)
        }
        if let text = marks[ImageMetadataKey.trashRetention], TrashRetention(parsing: text) == nil {
            return
                "volume \(VolumeCondition.undeletable): its '\(ImageMetadataKey.trashRetention)' says "
                + "'\(text.printable)', which is not a time of at most ten years, such as 72h or 7d"
        }
        if let text = marks[ImageMetadataKey.poolSizeFactor], UInt64(text) == nil {
            return "its '\(ImageMetadataKey.poolSizeFactor)' says '\(text.printable)', which is not a whole number"
        }
        return NodeParameters.fault(in: marks)
    }

    /// What its first bytes say against an image, in words.
    ///
    /// Its file system is not there any more, or can never have the image's size. Nothing is said when nothing is wrong,
    /// or when the image cannot be read.
    ///
    /// Answers within seconds. The OSDs may not answer the read for long, so callers share one look at an image, and looks
    /// take no more than half of the threads that others wait on.
    private func beginningFault(_ place: Place, _ imageID: String) async -> String? {
        let load = place.link.waitingThreads.load
        guard load.running + load.queued < max(1, load.threads / 2) else { return nil }
        let fault = try? await access.looks.run(
            "read the beginning of image '\(place.id.imageSpec)'",
            on: "beginning \(place.id)",
            fingerprint: "beginning",
            deadline: .now + .seconds(3)
        ) { () async throws(VolumeError) in
            try await place.waiting("read the beginning of image") { (context) throws(RBDError) -> String? in
                let head = try context.head(of: place.id.image)
                let notes = try context.metadata(ofImageID: imageID, after: "nacre.io/") ?? [:]
                return Self.fileSystemLost(head, notes[ImageMetadataKey.format], place.id)
                    ?? GrowthLimit(head)
                    .flatMap { CutImage(imageBytes: head.sizeBytes, fileSystemBytes: $0.presentBytes) }
                    .map { "image \($0.words(place.id, notes))" }
                    ?? Self.fileSystemBehind(head, place.id)
            }
        }
        return fault ?? nil
    }

    /// The node that made the file system noted it on the image.
    private static func fileSystemLost(_ head: MemorySource, _ noted: String?, _ id: VolumeID) -> String? {
        let words = noted?.parts(at: " ") ?? []
        guard words.count == 2, words[0] == "formatted", VolumeCapability.fileSystems.contains(words[1]),
            GrowthLimit(head) == nil
        else { return nil }
        let rescue = words[1] == "xfs" ? "xfs_repair" : "e2fsck -f"
        return "image says 'formatted \(words[1])', but no \(words[1]) is at its beginning: it was wiped or "
            + "overwritten, at least in part; look for the copies of its super block (nacre volume map --repair "
            + "\(id.description.shellWord), \(rescue)), or restore a backup"
    }

    private static func fileSystemBehind(_ head: MemorySource, _ id: VolumeID) -> String? {
        guard let limit = GrowthLimit(head), !limit.allows(head.sizeBytes) else { return nil }
        // A node does not grow an ext4 for what is less than a block group, so nothing refuses it.
        if let ext4 = ExtSuperblock(head), !ExtSuperblock.canGrow(from: ext4.sizeBytes, to: head.sizeBytes) {
            return nil
        }
        return "image has \(head.sizeBytes.inBinaryUnits), but its file system cannot have more than "
            + "\(limit.imageBytes.inBinaryUnits): \(limit.reason); nodes do not mount it for writing until the "
            + "image is shrunk to that: rbd resize --allow-shrink --size \(limit.imageBytes >> 20)M \(id.imageSpec.shellWord)"
    }
}
