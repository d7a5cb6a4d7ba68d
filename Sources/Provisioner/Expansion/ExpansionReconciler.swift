internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Synchronization
internal import Volumes

/// From a claim that asks for more to an image that has it.
///
/// A FlexVolume's bookkeeping is kube-controller-manager's, whatever we do: there the image is grown early, so that the node
/// finds it large enough, and nothing is written. A `local` volume's is ours: external-resizer's five steps.
final class ExpansionReconciler: Sendable {
    private struct State {
        /// How far an image was grown for a claim, so that every event of the claim does not ask Ceph again.
        var grown: [String: Int64] = [:]
        /// Claims whose last try ended in an error that no repetition mends.
        var failedForGood: Set<String> = []
    }

    private static let preResizeKey = "volume.alpha.kubernetes.io/pre-resize-capacity"

    private let shop: Workshop
    private let state = Mutex(State())

    init(_ shop: Workshop) {
        self.shop = shop
    }

    /// Whether a claim asks for more than it has.
    static func isDue(_ claim: PersistentVolumeClaim) -> Bool {
        claim.phase == .bound && !claim.metadata.isBeingDeleted && claim.requestBytes > claim.capacityBytes
    }

    func forget(_ claim: PersistentVolumeClaim) {
        state.withLock { state in
            state.grown[claim.metadata.uid] = nil
            state.failedForGood.remove(claim.metadata.uid)
        }
    }

    /// Works on the claim of that key.
    func reconcile(_ key: String) async -> WorkQueue.Outcome {
        guard let claim = shop.claims.object(key), Self.isDue(claim),
            let known = shop.volumes.object(claim.volumeName),
            known.provisionedBy == shop.settings.driverName, known.claim?.uid == claim.metadata.uid
        else { return .done }
        let start = ContinuousClock.now
        do {
            guard let volume = try await shop.liveVolume(claim.volumeName),
                volume.claim?.uid == claim.metadata.uid
            else { return .done }
            let attributes = try VolumeRemoval(shop: shop).ownAttributes(of: volume)
            if volume.details?.flexDriver != nil {
                try await growEarly(claim, attributes)
            } else {
                try await grow(claim, volume, attributes)
                ProvisionerMetrics.expanded(class: volume.className, in: .now - start, nil)
            }
            return .done
        } catch {
            if case KubernetesError.canceled = error { return .retry }
            if case KubernetesError.notLeading = error { return .retry }
            if let status = (error as? KubernetesError)?.status, status.isConflict || status.isNotFound {
                return .after(.milliseconds(Int.random(in: 20...200)))
            }
            ProvisionerMetrics.expanded(class: known.className, in: .now - start, error)
            return failed(claim, error)
        }
    }

    private func growEarly(_ claim: PersistentVolumeClaim, _ attributes: VolumeAttributes) async throws {
        let isGrown = state.withLock { $0.grown[claim.metadata.uid, default: 0] >= claim.requestBytes }
        guard !isGrown else { return }
        _ = try await growImage(claim, attributes, claim.requestBytes)
        state.withLock { $0.grown[claim.metadata.uid] = claim.requestBytes }
    }

    private func growImage(
        _ claim: PersistentVolumeClaim,
        _ attributes: VolumeAttributes,
        _ bytes: Int64
    ) async throws -> Int64 {
        let credentials = try await shop.secrets.credentials(attributes.expandSecret)
        shop.enter(.growingImage)
        let grown = try await shop.service.expandVolume(
            ExpandVolumeRequest(
                volumeID: attributes.handle,
                range: try CapacityRange(requiredBytes: bytes, limitBytes: 0),
                capability: nil,
                credentials: credentials
            ),
            deadline: shop.deadline
        )
        shop.logger.info(
            "expanded",
            metadata: [LogKey.claim: "\(claim.metadata.key)", LogKey.image: "\(attributes.handle)"]
        )
        return Int64(clamping: grown.capacityBytes)
    }

    private func grow(
        _ claim: PersistentVolumeClaim,
        _ volume: PersistentVolume,
        _ attributes: VolumeAttributes
    ) async throws {
        guard let live = try await shop.liveClaim(claim.metadata.namespace, claim.metadata.name),
            live.metadata.uid == claim.metadata.uid, let details = live.details, Self.isDue(live)
        else { return }
        let target = ResizeTarget.bytes(
            volume: volume.capacityBytes,
            request: live.requestBytes,
            allocated: details.allocatedBytes,
            status: details.resizeStatus,
            failedForGood: state.withLock { $0.failedForGood.contains(live.metadata.uid) }
        )
        let writer = ResizeWriter(shop: shop)
        let isPending = ResizeWriter.has("FileSystemResizePending", in: details)
        guard let target, !(isPending && volume.capacityBytes >= live.requestBytes) else { return }
        var claim = live
        if volume.capacityBytes < target {
            claim = try await writer.begin(live, target)
            shop.events.record(
                .normal,
                "Resizing",
                "growing volume \(volume.metadata.name) to \(Quantity.text(target))",
                on: ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
            )
        }
        let bytes = try await growImage(claim, attributes, target)
        shop.enter(.recordingCapacity)
        try await record(bytes, of: volume, before: claim)
        shop.enter(.recordingResize)
        try await writer.end(claim, bytes, needsNode: !volume.isBlock)
        state.withLock { _ = $0.failedForGood.remove(claim.metadata.uid) }
        shop.events.record(
            .normal,
            volume.isBlock ? "VolumeResizeSuccessful" : "FileSystemResizeRequired",
            volume.isBlock
                ? "the volume has \(Quantity.text(bytes))" : "the file system grows as soon as a node has the volume",
            on: ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
        )
    }

    /// Writes the volume's new size, and what the claim had before, should it be bound again before the node's step.
    private func record(
        _ bytes: Int64,
        of volume: PersistentVolume,
        before claim: PersistentVolumeClaim
    ) async throws(KubernetesError) {
        guard volume.capacityBytes < bytes else { return }
        let metadata: JSONValue = ["resourceVersion": .string(volume.metadata.resourceVersion)]
        let mustRemember = !volume.isBlock && volume.details?.annotations[Self.preResizeKey] == nil
        let annotation: JSONValue = [Self.preResizeKey: .string(Quantity.text(claim.capacityBytes))]
        let patch: JSONValue = [
            "metadata": metadata.with("annotations", mustRemember ? annotation : JSONValue?.none),
            "spec": ["capacity": ["storage": .string(Quantity.text(bytes))]],
        ]
        _ = try await shop.client.call(.patch(APIPath.persistentVolume(volume.metadata.name), .merge, patch))
    }

    private func failed(_ claim: PersistentVolumeClaim, _ error: any Error) -> WorkQueue.Outcome {
        shop.log(error, "cannot expand", [LogKey.claim: "\(claim.metadata.key)"])
        shop.events.record(
            .warning,
            "VolumeResizeFailed",
            (error as? VolumeError)?.message ?? "\(error)",
            on: ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
        )
        guard let error = error as? VolumeError else { return .retry }
        switch error.code {
        case .invalidArgument, .outOfRange, .notFound:
            state.withLock { _ = $0.failedForGood.insert(claim.metadata.uid) }
            return .after(shop.settings.longestRetry)
        default:
            return .retry
        }
    }
}
