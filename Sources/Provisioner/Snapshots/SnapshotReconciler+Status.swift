internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Secrets
internal import Volumes

/// What VolumeSnapshots say.
extension SnapshotReconciler {
    /// Writes what a content says into its VolumeSnapshot, and lets the claim go when the snapshot is taken.
    func mirror(_ content: VolumeSnapshotContent, to snapshot: VolumeSnapshot) async throws -> WorkQueue.Outcome {
        let isReady = content.isReady && content.handle != nil
        // Before the status, for what is ready is not looked at again.
        if isReady, !snapshot.isReady, let claimName = snapshot.claimName {
            try await protection.release(snapshot.metadata.namespace, claimName, after: snapshot.metadata.uid)
        }
        let creationTime = content.creationNanoseconds.map { KubernetesTime.seconds(.nanoseconds($0)) }
        let isSaid =
            snapshot.boundContentName == content.metadata.name && snapshot.isReady == isReady
            && (creationTime == nil || snapshot.creationTime == creationTime)
            && (content.restoreBytes == nil || snapshot.restoreBytes == content.restoreBytes)
            && snapshot.errorMessage == content.errorMessage
        if !isSaid {
            shop.enter(.mirroringStatus)
            var status: JSONValue = [
                "boundVolumeSnapshotContentName": .string(content.metadata.name), "readyToUse": .bool(isReady),
                "error": content.errorMessage.map { Workshop.errorStatus($0) } ?? .null,
            ]
            status = status.with("creationTime", creationTime.map { .string($0) })
                .with("restoreSize", content.restoreBytes.map { .string(Quantity.text($0)) })
            let path = APIPath.volumeSnapshot(snapshot.metadata.namespace, snapshot.metadata.name)
            _ = try await shop.change("\(path)/status", snapshot.metadata, ["status": status])
            if let error = content.errorMessage, error != snapshot.errorMessage {
                shop.events.record(.warning, "SnapshotCreationFailed", error, on: ObjectReference(snapshot))
            }
        }
        if isReady, !snapshot.isReady {
            shop.events.record(
                .normal,
                "SnapshotReady",
                "the snapshot is taken; a claim that names it in spec.dataSource is filled from it",
                on: ObjectReference(snapshot)
            )
        }
        return .done
    }

    /// Says in status and event what is wrong; it is tried again.
    func failed(_ snapshot: VolumeSnapshot, _ reason: String, _ text: String) async throws -> WorkQueue.Outcome {
        let message = CephKey.masked(text)
        shop.events.record(.warning, reason, message, on: ObjectReference(snapshot))
        shop.logger.warning(
            "cannot see to a VolumeSnapshot",
            metadata: [LogKey.snapshot: "\(snapshot.metadata.key)", LogKey.reason: "\(message)"]
        )
        // What the common controller says of it is its own to say.
        guard !common.isThere, snapshot.errorMessage != message || snapshot.isReady else { return .retry }
        let path = APIPath.volumeSnapshot(snapshot.metadata.namespace, snapshot.metadata.name)
        let status: JSONValue = ["readyToUse": false, "error": Workshop.errorStatus(message)]
        do throws(KubernetesError) {
            _ = try await shop.change("\(path)/status", snapshot.metadata, ["status": status])
        } catch {
            // A step before has changed it; the next try says it.
            guard error.status?.isConflict ?? false else { throw error }
        }
        return .retry
    }
}
