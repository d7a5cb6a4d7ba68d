internal import Secrets

extension VolumeService {
    /// Grows the volume; does nothing if it is large enough.
    ///
    /// CSI: ControllerExpandVolume.
    public func expandVolume(
        _ request: ExpandVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> ExpandedVolume {
        guard !request.volumeID.isEmpty else { throw .invalid("volume id is missing") }
        guard request.range.requiredBytes != 0 || request.range.limitBytes != 0 else {
            throw .invalid("capacity range is missing; give required bytes")
        }
        if let refusal = request.capability?.refusal { throw .invalid(refusal) }
        let id = try existing(request.volumeID)
        let wanted = try request.range.requiredBytes == 0 ? 0 : request.range.newSizeBytes()
        return try await operations.run(
            "expand volume '\(id)'",
            on: id.description,
            fingerprint: "expand \(request.range) \(request.credentials.userID)",
            deadline: deadline,
            obstacle: { await self.store.standstill(of: id, as: request.credentials) }
        ) { () async throws(VolumeError) -> ExpandedVolume in
            enter(VolumeStep.lookingUp, id.imageSpec)
            let found = try await self.finding(id) { () async throws(VolumeError) in
                try await self.store.extent(of: id, credentials: request.credentials)
            }
            let extent: ImageExtent
            if let found {
                extent = found
            } else {
                // Throws what it is instead.
                let record = try await self.presentImage(id, credentials: request.credentials)
                extent = ImageExtent(sizeBytes: record.sizeBytes, dataPool: record.dataPool)
            }
            var sizeBytes = extent.sizeBytes
            guard request.range.limitBytes == 0 || sizeBytes <= request.range.limitBytes else {
                throw VolumeError(
                    .outOfRange,
                    "cannot expand volume '\(id)': it has \(sizeBytes.inBinaryUnits) already, above the limit of "
                        + "\(request.range.limitBytes.inBinaryUnits); volumes never shrink"
                )
            }
            if sizeBytes < wanted {
                let metadata = try await self.store.metadata(of: id, credentials: request.credentials) ?? [:]
                try await self.checkGrowth(id, metadata, to: wanted, ofDataIn: extent.dataPool, request.credentials)
                let blank = await self.blankLimit(id, metadata, to: wanted, request)
                enter(VolumeStep.growingImage, id.imageSpec)
                sizeBytes = try await self.store.growImage(
                    id,
                    toBytes: wanted,
                    ifBlank: blank,
                    credentials: request.credentials
                )
            }
            enter(VolumeStep.answering, id.imageSpec)
            // Also for a Block volume: the size of its mapped device may have to be updated, which only the node can
            // do.
            return ExpandedVolume(capacityBytes: sizeBytes, nodeExpansionRequired: true)
        }
    }
}
