internal import ExactText
internal import Secrets

extension VolumeService {
    /// What a create names as its source; `nil` for an empty volume.
    ///
    /// - Throws: `VolumeError` with `.notFound` for a handle that is none, `.invalidArgument` for another cluster's.
    func cloneOrigin(
        _ request: CreateVolumeRequest,
        _ parameters: VolumeParameters
    ) throws(VolumeError) -> CloneOrigin? {
        guard let source = request.source else { return nil }
        let origin: CloneOrigin
        switch source {
        case .snapshot(let handle):
            guard !handle.isEmpty else { throw .invalid("snapshot id of the content source is missing") }
            origin = .snapshot(try existingSnapshot(handle))
        case .volume(let handle):
            guard !handle.isEmpty else { throw .invalid("volume id of the content source is missing") }
            origin = .volume(try existing(handle))
        }
        guard origin.clusterID.isExactly(parameters.clusterID) else {
            throw .invalid(
                "cannot create volume '\(request.name.printable)' in cluster '\(parameters.clusterID)' from \(origin): that "
                    + "lies in cluster '\(origin.clusterID)'; use a class of that cluster"
            )
        }
        return origin
    }

    /// The source of a new volume, whose file system is what the class asks for.
    func readSource(
        _ origin: CloneOrigin,
        _ use: FileSystemUse,
        _ request: CreateVolumeRequest,
        _ parameters: VolumeParameters
    ) async throws(VolumeError) -> CloneSource {
        enter(SnapshotStep.lookingUpSource, origin.handle)
        let found: CloneSource?
        do throws(VolumeError) {
            found = try await store.cloneSource(origin, credentials: request.credentials)
        } catch {
            guard error.isOfMissingPlace || error.code == .notFound else { throw error }
            throw VolumeError(.notFound, "\(origin) does not exist: \(error.message)")
        }
        guard let found else {
            throw VolumeError(
                .notFound,
                "cannot create volume '\(request.name)': its source, \(origin), does not exist"
            )
        }
        let facts = VolumeFacts(metadata: found.metadata)
        if let asked = FileSystemUse.mark(request.capabilities, parameters), let there = facts.fileSystem,
            VolumeCapability.fileSystems.contains(asked), VolumeCapability.fileSystems.contains(there),
            !asked.isExactly(there)
        {
            throw .invalid(
                "cannot create volume '\(request.name)' for \(asked): its source, \(origin), was made for \(there); use a "
                    + "class with that fsType"
            )
        }
        return found
    }

    /// The size of a volume that is made from a source: what is asked for, and that of the source at least.
    static func cloneSizeBytes(
        _ request: CreateVolumeRequest,
        _ origin: CloneOrigin,
        _ sourceBytes: UInt64
    ) throws(VolumeError) -> UInt64 {
        let asked = request.range.requiredBytes
        let what = "cannot create volume '\(request.name)' from \(origin)"
        guard asked == 0 || asked >= sourceBytes else {
            throw VolumeError(
                .outOfRange,
                "\(what) with \(asked.inBinaryUnits): the source has \(sourceBytes.inBinaryUnits); ask for that or more"
            )
        }
        let unit = CapacityRange.granularityBytes
        let wanted = max(asked, sourceBytes)
        let sizeBytes = (wanted + unit - 1) / unit * unit
        guard request.range.limitBytes == 0 || sizeBytes <= request.range.limitBytes else {
            throw VolumeError(
                .outOfRange,
                "\(what) with at most \(request.range.limitBytes.inBinaryUnits): the source has "
                    + "\(sourceBytes.inBinaryUnits); raise the limit"
            )
        }
        return sizeBytes
    }
}
