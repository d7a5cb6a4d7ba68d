internal import JSON
internal import KubernetesAPI
internal import Synchronization

extension ExpansionReconciler {
    /// Grows a volume that kubelet gets as a mounted directory.
    ///
    /// kubelet grows no directory: 1.20 leaves the claim waiting, and later releases say at once that it has grown. So the
    /// PersistentVolume's size, which makes kubelet say so, is written last:
    ///
    /// | step | who |
    /// | --- | --- |
    /// | the image grows | the controller |
    /// | the claim gets the condition FileSystemResizePending, if a pod on a node has it | the controller |
    /// | device and file system grow, and the claim is marked (`GrowthMark`) | the node's agent |
    /// | the PersistentVolume has the size, then the claim | the controller |
    ///
    /// Without a pod on a node nobody has the file system mounted, and the next agent grows it before a pod sees it.
    ///
    /// - Returns: Whether it is done; a node must still grow it otherwise.
    func growDirectory(
        _ known: PersistentVolumeClaim,
        _ volume: PersistentVolume,
        _ attributes: VolumeAttributes
    ) async throws -> Bool {
        guard var claim = try await shop.liveClaim(known.metadata.namespace, known.metadata.name),
            claim.metadata.uid == known.metadata.uid, let details = claim.details, Self.isDue(claim)
        else { return true }
        let writer = ResizeWriter(shop: shop)
        let reference = ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
        let isPending = ResizeWriter.has("FileSystemResizePending", in: details)
        let (grown, failedForGood) = state.withLock {
            ($0.grown[claim.metadata.uid] ?? 0, $0.failures[claim.metadata.uid]?.isFinal ?? false)
        }
        let target =
            ResizeTarget.bytes(
                volume: volume.capacityBytes,
                request: claim.requestBytes,
                allocated: details.allocatedBytes,
                status: details.resizeStatus,
                failedForGood: failedForGood
            ) ?? volume.capacityBytes
        var bytes = grown
        if grown < target {
            if !isPending, volume.capacityBytes < target {
                claim = try await writer.begin(claim, target)
                let message = "growing volume \(volume.metadata.name) to \(Quantity.text(target))"
                shop.events.record(.normal, "Resizing", message, on: reference)
            }
            bytes = try await growImage(claim, volume, attributes, target)
            let size = bytes
            state.withLock { state in
                state.grown[claim.metadata.uid] = size
                state.failures[claim.metadata.uid] = nil
            }
        }
        if GrowthMark.bytes(details) < bytes, try await isOnNode(claim) {
            guard !isPending else { return false }
            shop.enter(.recordingResize)
            try await writer.end(claim, bytes, needsNode: true)
            let message = "the node's agent grows the file system to \(Quantity.text(bytes))"
            shop.events.record(.normal, "FileSystemResizeRequired", message, on: reference)
            return false
        }
        shop.enter(.recordingCapacity)
        try await record(bytes, of: volume, before: claim, needsNode: false)
        shop.enter(.recordingResize)
        try await writer.end(claim, bytes, needsNode: false)
        let message = "the volume has \(Quantity.text(bytes))"
        shop.events.record(.normal, "VolumeResizeSuccessful", message, on: reference)
        return true
    }

    /// Whether a node may have the claim's file system mounted, for a pod.
    private func isOnNode(_ claim: PersistentVolumeClaim) async throws(KubernetesError) -> Bool {
        let uses = try await pods.uses(in: claim.metadata.namespace)
        guard !uses.isWhole else { return uses.claimsOnNodes.contains(claim.metadata.name) }
        return try await pods.allUses(in: claim.metadata.namespace).claimsOnNodes.contains(claim.metadata.name)
    }
}
