internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// Unmounts the staging path and unmaps the image; succeeds if neither is there.
    public func unstage(
        volumeID: String,
        stagingPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let path = try await canonical(stagingPath, "staging path")
        // What cannot be read was never staged here.
        guard let id = try? VolumeID(parsing: volumeID) else { return }
        try await operations.run(
            "unstage volume '\(id)'",
            on: volumeID,
            fingerprint: "unstage \(path)",
            deadline: deadline
        ) { () throws(VolumeError) in
            try await self.unstage(id, path)
        }
    }

    private func unstage(_ id: VolumeID, _ path: String) async throws(VolumeError) {
        let address = address(of: id)
        let mapper = mapper
        if let record = try await record(of: "\(id)") {
            guard record.stagingPath.isExactly(path) else {
                throw VolumeError(
                    .failedPrecondition,
                    "volume '\(id)' is staged at '\(record.stagingPath)', not at '\(path.printable)'; unstage it there"
                )
            }
            let table = try await mountTable()
            let published = record.targets.map(\.path).filter { table.mount(at: $0) != nil }
            guard published.isEmpty else {
                throw VolumeError(
                    .failedPrecondition,
                    "volume '\(id)' is still published at \(published.map { "'\($0)'" }.joined(separator: ", ")); "
                        + "unpublish it there first"
                )
            }
            let own = await ownMount(record, record.device)
            try await takeDown(record.stagedMount, "unstage volume '\(id)'", step: .unmountingStage) {
                own.matches($0, $1)
            }
            if record.usage.isBlock { try await removeTarget(record.stagedDevice, "unstage volume '\(id)'") }
        }
        // The volume can be unstaged although its cluster is not configured any more.
        let monitors = (try? clusters(id).monitors) ?? []
        try await mapping { (observer) throws(MappingError) in
            try mapper.unmap(address, monitors: monitors, observer: observer)
        }
        enter(NodeStep.forgettingVolume, "\(id)")
        let records = records
        try await kernel("forget volume '\(id)'") { () throws(KernelError) in try records.remove("\(id)") }
    }
}
