internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Synchronization
internal import Volumes

/// Grows the images of claims that request more.
///
/// For a FlexVolume, kube-controller-manager updates the objects in any case: the image is grown early, so that the
/// node finds it large enough, and nothing is written. For the device of a `local` volume this controller does
/// external-resizer's five steps; for a mounted directory the node agent does kubelet's part (`ExpansionReconciler+Directory`).
final class ExpansionReconciler: Sendable {
    struct State {
        /// To which size an image was grown for a claim, so that not every event of the claim asks Ceph again.
        var grown: [String: Int64] = [:]
        /// Claims whose last try failed, until one succeeds.
        var failures: [String: Failure] = [:]
    }

    /// What came of a claim's last try.
    struct Failure {
        /// The requested size; a new request is tried again.
        var requestBytes: Int64
        /// Whether no repetition mends it.
        var isFinal: Bool
        /// Until when changes of the claim, including this controller's own, do not cause another try.
        var until: ContinuousClock.Instant
        var wait: Backoff
    }

    /// A node's agent tells of a growth by the claim; a pod that goes meanwhile is found this often.
    private static let nodeWait = Duration.seconds(5)
    private static let preResizeKey = "volume.alpha.kubernetes.io/pre-resize-capacity"

    let shop: Workshop
    let pods: PodClaims
    let state = Mutex(State())

    init(_ shop: Workshop) {
        self.shop = shop
        pods = PodClaims(shop.client)
    }

    /// Whether a claim asks for more than it has.
    static func isDue(_ claim: PersistentVolumeClaim) -> Bool {
        claim.phase == .bound && !claim.metadata.isBeingDeleted && claim.requestBytes > claim.capacityBytes
    }

    func forget(_ claim: PersistentVolumeClaim) {
        state.withLock { state in
            state.grown[claim.metadata.uid] = nil
            state.failures[claim.metadata.uid] = nil
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
            if let wait = waitAfterFailure(claim) { return .after(wait) }
            if volume.details?.flexDriver != nil {
                try await growEarly(claim, volume, attributes)
            } else if volume.details?.localPath == shop.settings.mountPath(of: volume.metadata.name) {
                guard try await growDirectory(claim, volume, attributes) else { return .after(Self.nodeWait) }
                ProvisionerMetrics.expanded(class: volume.className, in: .now - start, nil)
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
            return await failed(claim, error)
        }
    }

    private func growEarly(
        _ claim: PersistentVolumeClaim,
        _ volume: PersistentVolume,
        _ attributes: VolumeAttributes
    ) async throws {
        let isGrown = state.withLock { $0.grown[claim.metadata.uid, default: 0] >= claim.requestBytes }
        guard !isGrown else { return }
        let start = ContinuousClock.now
        _ = try await growImage(claim, volume, attributes, claim.requestBytes)
        ProvisionerMetrics.expanded(class: volume.className, in: .now - start, nil)
        state.withLock { state in
            state.grown[claim.metadata.uid] = claim.requestBytes
            state.failures[claim.metadata.uid] = nil
        }
        try await ResizeWriter(shop: shop).clearFailure(of: claim)
    }

    func growImage(
        _ claim: PersistentVolumeClaim,
        _ volume: PersistentVolume,
        _ attributes: VolumeAttributes,
        _ bytes: Int64
    ) async throws -> Int64 {
        let credentials = try await shop.secrets.credentials(attributes.expandSecret)
        try await VolumeRemoval(shop: shop).checkMade(attributes, for: volume, credentials)
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
            failedForGood: state.withLock { $0.failures[live.metadata.uid]?.isFinal ?? false }
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
        let bytes = try await growImage(claim, volume, attributes, target)
        shop.enter(.recordingCapacity)
        try await record(bytes, of: volume, before: claim, needsNode: !volume.isBlock)
        shop.enter(.recordingResize)
        try await writer.end(claim, bytes, needsNode: !volume.isBlock)
        state.withLock { $0.failures[claim.metadata.uid] = nil }
        shop.events.record(
            .normal,
            volume.isBlock ? "VolumeResizeSuccessful" : "FileSystemResizeRequired",
            volume.isBlock
                ? "the volume has \(Quantity.text(bytes))" : "the file system grows as soon as a node has the volume",
            on: ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
        )
    }

    /// Writes the volume's new size, and the claim's previous size, in case it is bound again before the node's step.
    func record(
        _ bytes: Int64,
        of volume: PersistentVolume,
        before claim: PersistentVolumeClaim,
        needsNode: Bool
    ) async throws(KubernetesError) {
        guard volume.capacityBytes < bytes else { return }
        let metadata: JSONValue = ["resourceVersion": .string(volume.metadata.resourceVersion)]
        let mustRemember = needsNode && volume.details?.annotations[Self.preResizeKey] == nil
        let annotation: JSONValue = [Self.preResizeKey: .string(Quantity.text(claim.capacityBytes))]
        let patch: JSONValue = [
            "metadata": metadata.with("annotations", mustRemember ? annotation : JSONValue?.none),
            "spec": ["capacity": ["storage": .string(Quantity.text(bytes))]],
        ]
        _ = try await shop.client.call(.patch(APIPath.persistentVolume(volume.metadata.name), .merge, patch))
    }

    /// How long a claim must still wait after a failure with the same size.
    private func waitAfterFailure(_ claim: PersistentVolumeClaim) -> Duration? {
        state.withLock { state in
            guard let failure = state.failures[claim.metadata.uid], failure.requestBytes == claim.requestBytes,
                failure.until > .now
            else { return nil }
            return failure.until - .now
        }
    }

    private func failed(_ claim: PersistentVolumeClaim, _ error: any Error) async -> WorkQueue.Outcome {
        let message = (error as? VolumeError)?.message ?? "\(error)"
        let isFinal =
            switch (error as? VolumeError)?.code {
            case .invalidArgument, .outOfRange, .notFound, .unimplemented: true
            default: false
            }
        shop.log(error, "cannot expand", [LogKey.claim: "\(claim.metadata.key)"])
        shop.events.record(
            .warning,
            "VolumeResizeFailed",
            message,
            on: ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
        )
        let settings = shop.settings
        let wait = state.withLock { state in
            let known = state.failures[claim.metadata.uid].flatMap { $0.requestBytes == claim.requestBytes ? $0 : nil }
            var backoff = known?.wait ?? Backoff(first: settings.firstRetry, longest: settings.longestRetry)
            let wait = isFinal ? settings.longestRetry : backoff.next()
            state.failures[claim.metadata.uid] = Failure(
                requestBytes: claim.requestBytes,
                isFinal: isFinal,
                until: .now + wait,
                wait: backoff
            )
            return wait
        }
        do throws(KubernetesError) {
            try await ResizeWriter(shop: shop).fail(claim, message, isFinal: isFinal)
        } catch {
            shop.log(error, "cannot write why a claim does not grow", [LogKey.claim: "\(claim.metadata.key)"])
        }
        return .after(wait)
    }
}
