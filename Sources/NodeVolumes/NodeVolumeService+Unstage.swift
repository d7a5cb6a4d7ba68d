internal import Blocking
internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// Takes the pod's path away; fine when nothing is there.
    public func unpublish(
        volumeID: String,
        targetPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let path = try await canonical(targetPath, "target path")
        try await operations.run(
            "unpublish volume '\(volumeID.printable)'",
            on: volumeID,
            fingerprint: "unpublish \(path)",
            deadline: deadline
        ) { () throws(VolumeError) in
            try await self.unpublish(volumeID, path)
        }
    }

    private func unpublish(_ volumeID: String, _ path: String) async throws(VolumeError) {
        while try await mountTable().mount(at: path) != nil {
            enter(NodeStep.unmountingTarget, path)
            try await unmount(path, "unpublish volume '\(volumeID.printable)'")
        }
        enter(NodeStep.removingTarget, path)
        try await kernel("remove target path") { () throws(KernelError) in
            switch try FileKind.of(path) {
            case .directory?: try KernelFile.removeDirectory(path)
            case .file(bytes: 0)?: try KernelFile.remove(path)
            case nil: break
            default: throw KernelError("unlink", .notPermitted, "\(path): not a mount point of ours")
            }
        }
        guard var record = try await record(of: volumeID), record.targets.contains(where: { $0.path == path }) else {
            return
        }
        enter(NodeStep.forgettingTarget, path)
        record.targets.removeAll { $0.path == path }
        try await save(record)
    }

    /// Unmounts, or says who keeps the mount busy.
    private func unmount(_ path: String, _ what: String) async throws(VolumeError) {
        let users: [String]
        do throws(KernelError) {
            return try await pool.run { () throws(KernelError) in try Mounting.unmount(path) }
        } catch {
            guard error.errno == .resourceBusy else { throw VolumeError(.internal, "cannot \(what): \(error)") }
            users = await pool.run { MountUsers.users(of: path) }
        }
        throw VolumeError(
            .failedPrecondition,
            "cannot \(what): '\(path)' is in use (umount2: EBUSY): "
                + (users.isEmpty
                    ? "by something that this process cannot see, perhaps in another process namespace"
                    : users.joined(separator: "; ")) + "; end that first"
        )
    }

    /// Unmounts the staging path and unmaps the image; fine when nothing is there.
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
            guard record.stagingPath == path else {
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
            while try await mountTable().mount(at: record.stagedMount) != nil {
                enter(NodeStep.unmountingStage, record.stagedMount)
                try await unmount(record.stagedMount, "unstage volume '\(id)'")
            }
            if record.usage.isBlock {
                try await kernel("remove '\(record.stagedDevice)'") { () throws(KernelError) in
                    try KernelFile.remove(record.stagedDevice)
                }
            }
        }
        // A cluster that is not configured any more must not hinder what is known of the volume here.
        let monitors = (try? clusters(id).monitors) ?? []
        try await mapping { (observer) throws(MappingError) in
            try mapper.unmap(address, monitors: monitors, observer: observer)
        }
        enter(NodeStep.forgettingVolume, "\(id)")
        let records = records
        try await kernel("forget volume '\(id)'") { () throws(KernelError) in try records.remove("\(id)") }
    }
}
