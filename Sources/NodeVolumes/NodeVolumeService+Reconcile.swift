internal import Blocking
internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import NodeMapping
internal import SystemPackage
internal import Volumes

/// What the service did with one volume at its start.
public enum Reconciliation: Sendable, Hashable {
    /// It is as its record says.
    case asRecorded
    /// It is mounted, and its record now says so: a stage was killed just before it completed.
    case finished
    /// It was not mounted: its device, image server and record were removed.
    case undone
    /// It is mounted, but its device is dead.
    case dead
    /// Undoing it failed, for the given reason; the next call for it tries again.
    case left(String)
}

/// Completes or undoes what a killed service or a boot left, and leaves volumes in use alone.
///
/// | the record says | mountinfo says | what is done |
/// | --- | --- | --- |
/// | anything | a pod's path that is recorded is not mounted | the path is forgotten: an unpublish was interrupted, or the node has booted |
/// | half-staged | the staging path is mounted | it is staged: only the note was missing |
/// | staged | the staging path is mounted | nothing; a dead device is reported |
/// | anything | nothing, or only a pod's path | nothing mounted: unmap and forget; a pod's path: nothing |
/// | nothing | a mapping without record, not mounted | unmap |
///
/// A stage that was killed before its mount is undone and not completed, because its Ceph user is not recorded; kubelet
/// repeats it anyway.
extension NodeVolumeService {
    /// Brings every volume of this node to a defined state, once, when the service starts.
    ///
    /// - Parameter deadline: When to stop waiting for a volume; the work on it continues.
    /// - Returns: What was done, by volume handle.
    @discardableResult
    public func reconcile(deadline: ContinuousClock.Instant) async -> [String: Reconciliation] {
        var outcomes: [String: Reconciliation] = [:]
        let records = records
        try? await kernel("remove what a killed service left in '\(records.directory)'") { () throws(KernelError) in
            try NamelessFile.removeNames(in: records.directory)
        }
        do throws(VolumeError) {
            for record in try await kernel("list the volumes", { () throws(KernelError) in try records.all() }) {
                outcomes[record.volumeID] = await reconcile(record.volumeID, deadline)
            }
            let mapper = mapper
            let known = Set(outcomes.keys.map { ImageAddress.fileName(of: $0) })
            for image in try await mapping({ (_) throws(MappingError) in try mapper.images() })
            where !known.contains(image.fileName) {
                let id = "\(image.clusterID)/\(image.pool)/\(image.namespace)/\(image.name)"
                outcomes[id] = await reconcile(id, deadline)
            }
        } catch {
            logger.error("cannot look at what an earlier service left", metadata: ["reason": "\(error.message)"])
        }
        for (id, outcome) in outcomes where outcome != .asRecorded {
            logger.notice("reconciled a volume", metadata: ["csi.volume.id": "\(id)", "outcome": "\(outcome)"])
        }
        return outcomes
    }

    private func reconcile(_ volumeID: String, _ deadline: ContinuousClock.Instant) async -> Reconciliation {
        do throws(VolumeError) {
            // On the volume's key, so that other calls for it wait.
            return try await operations.run(
                "reconcile volume '\(volumeID)'",
                on: volumeID,
                fingerprint: "reconcile",
                deadline: deadline,
                obstacle: { await self.obstacle(try? VolumeID(parsing: volumeID)) }
            ) { () throws(VolumeError) in
                let id = try VolumeID(parsing: volumeID)
                guard let record = try await self.record(of: volumeID) else { return try await self.undoMapping(id) }
                return try await self.reconcile(record, id)
            }
        } catch {
            return .left(error.message)
        }
    }

    private func reconcile(_ found: VolumeRecord, _ id: VolumeID) async throws(VolumeError) -> Reconciliation {
        var record = found
        let table = try await mountTable()
        var gone: [VolumeRecord.Target] = []
        for target in record.targets {
            let place = try await whereabouts(target, of: record, in: table).place(target)
            if place == nil { gone.append(target) }
        }
        if !gone.isEmpty {
            for target in gone {
                enter(NodeStep.removingTarget, target.path)
                // Files that somebody left there are reported by the next call.
                try? await removeTarget(target.path, "forget '\(target.path)'")
            }
            enter(NodeStep.forgettingTarget, gone[0].path)
            record.targets.removeAll { target in gone.contains { $0.isSame(as: target) } }
            try await save(record)
        }
        try await noteMounts(&record, table)
        let address = address(of: id)
        let mapper = mapper
        guard let stage = table.mount(at: record.stagedMount), try await couldBeStage(stage, record) else {
            // A pod still uses the volume, although somebody unmounted the staging path.
            guard record.targets.isEmpty else { return .asRecorded }
            return try await undo(record, id)
        }
        guard let device = try await mapping({ (_) throws(MappingError) in try mapper.device(of: address) }) else {
            return .dead
        }
        guard stage.device == device.device || record.usage.isBlock else { return .dead }
        guard !record.isStaged else { return gone.isEmpty ? .asRecorded : .finished }
        try await recallTargets(&record, device)
        enter(NodeStep.recordingStaged, "\(id)")
        record.isStaged = true
        try await save(record)
        return .finished
    }

    /// Notes the mounts of the pods' paths anew: in another mount namespace, as of a container that was started again, they
    /// have other numbers.
    private func noteMounts(_ record: inout VolumeRecord, _ table: MountTable) async throws(VolumeError) {
        let notes = record.targets.map { table.mount(at: $0.path).flatMap(VolumeRecord.Target.note) }
        guard zip(record.targets, notes).contains(where: { $1 != nil && $0.mount != $1 }) else { return }
        let own = try await presentMount(record)
        guard !own.devices.isEmpty else { return }
        var isChanged = false
        for (index, note) in notes.enumerated() where note != nil && record.targets[index].mount != note {
            let path = record.targets[index].path
            guard let mount = table.mount(at: path) else { continue }
            let kind = await pool.run { (try? MountPlace(path).kind()) ?? nil }
            guard own.matches(mount, kind) else { continue }
            record.targets[index].mount = note
            isChanged = true
        }
        if isChanged { try await save(record) }
    }

    /// Whether a mount at the staging path may be the volume's, dead or alive, and not somebody else's.
    private func couldBeStage(
        _ mount: MountTable.Mount,
        _ record: VolumeRecord
    ) async throws(VolumeError) -> Bool {
        guard record.usage.isBlock else { return OwnMount.couldBeOurs(mount.device) }
        let place = record.stagedMount
        let kind = try await kernel("look at '\(place)'") { () throws(KernelError) in try FileKind.of(place) }
        guard case .blockDevice(let device)? = kind else { return false }
        return OwnMount.couldBeOurs(device)
    }

    /// Undoes a failed stage; mounts, and what cannot be undone now, are left for the next call.
    func undoUnlessMounted(_ volumeID: String, _ id: VolumeID) async {
        do throws(VolumeError) {
            guard let record = try await record(of: volumeID) else { return }
            _ = try await reconcile(record, id)
        } catch {
            logger.notice(
                "what a failed stage left stays for now",
                metadata: ["csi.volume.id": "\(id)", "reason": "\(error.message)"]
            )
        }
    }

    private func undo(_ record: VolumeRecord, _ id: VolumeID) async throws(VolumeError) -> Reconciliation {
        if record.usage.isBlock {
            try await removeTarget(record.stagedDevice, "undo the stage of volume '\(id)'")
        }
        _ = try await undoMapping(id)
        enter(NodeStep.forgettingVolume, "\(id)")
        let records = records
        try await kernel("forget volume '\(id)'") { () throws(KernelError) in try records.remove("\(id)") }
        return .undone
    }

    /// Unmaps what nobody uses.
    private func undoMapping(_ id: VolumeID) async throws(VolumeError) -> Reconciliation {
        let address = address(of: id)
        let mapper = mapper
        try await mapping { (observer) throws(MappingError) in
            if let device = try mapper.device(of: address) {
                // The mapper would remove a loop device when its last user closes it; such a delayed removal must not
                // be started here.
                let holders = DeviceHolders().holders(of: String(device.path.dropFirst("/dev/".count)))
                guard holders.isEmpty else {
                    throw MappingError(
                        .inUse,
                        "\(device.path) is held: \(holders.prefix(6).map(\.description).joined(separator: "; "))"
                    )
                }
            }
            // A dead one's, too: its number must stay its own while a path shows it.
            let places = try OwnMount.placesShowing(address, mapper)
            guard places.isEmpty else {
                let device = try mapper.device(of: address)?.path ?? "the device of image \(address), which is dead,"
                throw MappingError(
                    .inUse,
                    "\(device) is published at \(places.map { "'\($0)'" }.joined(separator: ", "))"
                )
            }
            try mapper.unmap(address, observer: observer)
        }
        return .undone
    }
}
