internal import ExactText
internal import Volumes

/// What becomes of one image in a recovery.
package struct RecoveryItem: Sendable {
    /// Where its objects stand.
    package enum Standing: Sendable, Hashable {
        /// PersistentVolume and claim would be made, or what lacks of them.
        case missing
        /// They are there, as they should be.
        case present
        /// They are wanted and cannot be made, for this reason.
        case blocked(String)
        /// It is not wanted, for this reason.
        case passedOver(String)
    }

    /// The image.
    package let image: FoundImage
    /// What there would be; `nil` where that cannot be told.
    package let objects: KeptObjects?
    /// What is known of its PersistentVolume beside the image.
    package let record: VolumeRecord?
    /// Where they stand.
    package var standing: Standing
    /// What a person should know beside it, a sentence each.
    package var notes: [String]

    /// Says of an image where it stands.
    package init(
        image: FoundImage,
        objects: KeptObjects? = nil,
        record: VolumeRecord? = nil,
        standing: Standing,
        notes: [String] = []
    ) {
        self.image = image
        self.objects = objects
        self.record = record
        self.standing = standing
        self.notes = notes
    }

    /// The reason why nothing is made; `nil` when something is, or all is there.
    package var reason: String? {
        switch standing {
        case .missing, .present: nil
        case .blocked(let reason), .passedOver(let reason): reason
        }
    }
}

/// What a recovery would do with the images of a pool, by what is on them alone.
package enum RecoveryPlan {
    /// Judges images.
    ///
    /// - Parameters:
    ///   - images: All of a pool, so that two of one claim are seen.
    ///   - wish: What is wanted.
    /// - Returns: An item for each wanted image, in the order of their handles.
    package static func items(_ images: [FoundImage], _ wish: RecoveryWish) -> [RecoveryItem] {
        let wanted = images.filter { wish.images.isEmpty || wish.names($0) }
            .sorted { ExactText($0.id.description) < ExactText($1.id.description) }
        let items = wanted.map { item($0, wish) }
        // Of two that are both wanted, nobody but a person knows which one the claim had last.
        let takers = Dictionary(grouping: items.filter { $0.standing == .missing }) { $0.objects?.claimName }
        return items.map { item in
            guard item.standing == .missing, let claim = item.objects?.claimName, let all = takers[claim],
                all.count > 1
            else { return item }
            let others = all.filter { $0.image.id != item.image.id }.map { "'\($0.image.id.image)'" }
            var item = item
            item.standing = .blocked(
                "claim \(claim) is on \(others.joined(separator: ", ")) too; see which one has its data, and name that one by "
                    + "--image"
            )
            return item
        }
    }

    private static func item(_ image: FoundImage, _ wish: RecoveryWish) -> RecoveryItem {
        func left(_ standing: RecoveryItem.Standing) -> RecoveryItem {
            RecoveryItem(image: image, record: image.record, standing: standing)
        }
        guard image.sizeBytes > 0 else {
            return left(
                .blocked(
                    "its image has no header: its create was never finished, or the header is lost; see nacre volume show "
                        + "\(image.id)"
                )
            )
        }
        switch ImageOrigin(image.metadata, of: image.id) {
        case .copied:
            return left(
                .passedOver(
                    "it is no volume's: it \(VolumeError.lack(image.metadata)); who made it knows what it is for"
                )
            )
        case .foreign:
            return left(
                .passedOver(
                    "it is of unknown origin, for it \(VolumeError.lack(image.metadata)); if it is a volume of yours, "
                        + VolumeError.adoption(image.id.imageSpec)
                )
            )
        case .made, .adopted: break
        }
        guard let claim = image.claim, let name = image.volumeName else {
            return left(
                .passedOver("it was made for no claim, as by nacre volume create; there is nothing to make for it")
            )
        }
        if image.metadata[ImageMetadataKey.branch] != nil {
            return left(
                .passedOver("it is a branch, which is for a time only; delete it by nacre volume delete \(image.id)")
            )
        }
        if let refusal = strangeness(image, wish) { return left(.passedOver(refusal)) }
        do throws(VolumeError) {
            let record = try wish.record(of: image, for: claim, called: name)
            let objects = try KeptObjects(record: record, image: image, claim: claim, name: name)
            return RecoveryItem(
                image: image,
                objects: objects,
                record: record,
                standing: .missing,
                notes: notes(image, record)
            )
        } catch {
            return left(.blocked(error.message))
        }
    }

    /// Why an image may be another cluster's; `nil` if it is of one that is wanted.
    private static func strangeness(_ image: FoundImage, _ wish: RecoveryWish) -> String? {
        guard let cluster = image.cluster else {
            guard !wish.names(image) else { return nil }
            return
                "it does not say which Kubernetes cluster has it; if it was yours, name it by --image \(image.id.image)"
        }
        guard !wish.clusters.containsExactly(cluster) else { return nil }
        return
            "it is of Kubernetes cluster \(cluster.printable), which may use it; if that one is lost, name it by "
            + "--of-cluster \(cluster.printable)"
    }

    private static func notes(_ image: FoundImage, _ record: VolumeRecord) -> [String] {
        var notes: [String] = []
        if image.record == nil {
            let modes = record.accessModes.joined(separator: ", ")
            notes.append(
                "class \(record.className), access mode \(modes) and policy \(record.reclaimPolicy) are assumed: its image does "
                    + "not say them"
            )
        }
        if !image.users.isEmpty {
            notes.append("in use by \(image.users.joined(separator: ", ")), which a pod waits for")
        }
        return notes
    }
}
