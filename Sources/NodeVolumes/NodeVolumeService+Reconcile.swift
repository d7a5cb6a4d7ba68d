internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import NodeMapping
internal import SystemPackage
internal import Volumes

/// What was done with one volume when the service started.
public enum Reconciliation: Sendable, Hashable {
    /// It is as its record says.
    case asRecorded
    /// It is mounted, and its record says so now: a stage was killed just before its end.
    case finished
    /// Nothing of it was mounted: its device, its image server and its record are gone.
    case undone
    /// It is mounted, but its device is dead.
    case dead
    /// It was to be undone, but that failed, for the reason given; the next call for it tries again.
    case left(String)
}

/// What a killed service, or a boot, left is finished or undone; what is in use is left alone.
///
/// | the record says | mountinfo says | what is done |
/// | --- | --- | --- |
/// | anything | a pod's path that is recorded is not mounted | the path is forgotten: an unpublish got so far, or a boot |
/// | half-staged | the staging path is mounted | it is staged: the note was all that lacked |
/// | staged | the staging path is mounted | nothing; with a dead device it is told |
/// | anything | nothing, or only a pod's path | nothing mounted: unmap and forget; a pod's path: nothing |
/// | nothing | a mapping without record, not mounted | unmap |
///
/// A stage that was killed before its mount is undone and not finished: its Ceph user is not written down anywhere, and
/// kubelet repeats it anyway.
extension NodeVolumeService {
    /// Brings every volume of this node to a state that has a name, once, when the service starts.
    ///
    /// - Parameter deadline: When to stop waiting for a volume; the work on it goes on.
    /// - Returns: What was done, by volume handle.
    @discardableResult
    public func reconcile(deadline: ContinuousClock.Instant) async -> [String: Reconciliation] {
        var outcomes: [String: Reconciliation] = [:]
        let records = records
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
            // On the volume's key: a call that comes meanwhile waits for its turn.
            return try await operations.run(
                "reconcile volume '\(volumeID)'",
                on: volumeID,
                fingerprint: "reconcile",
                deadline: deadline
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
        let gone = record.targets.filter { table.mount(at: $0.path) == nil }
        if !gone.isEmpty {
            for target in gone {
                enter(NodeStep.removingTarget, target.path)
                // Files that somebody left there are for the next call to tell of.
                try? await removeTarget(target.path, "forget '\(target.path)'")
            }
            enter(NodeStep.forgettingTarget, gone[0].path)
            record.targets.removeAll { target in gone.contains { $0.isSame(as: target) } }
            try await save(record)
        }
        let address = address(of: id)
        let mapper = mapper
        guard let stage = table.mount(at: record.stagedMount), try await couldBeStage(stage, record) else {
            // A pod still has the volume, though somebody unmounted the staging path under it.
            guard record.targets.isEmpty else { return .asRecorded }
            return try await undo(record, id)
        }
        guard let device = try await mapping({ (_) throws(MappingError) in try mapper.device(of: address) }) else {
            return .dead
        }
        guard stage.device == device.device || record.usage.isBlock else { return .dead }
        guard !record.isStaged else { return gone.isEmpty ? .asRecorded : .finished }
        enter(NodeStep.recordingStaged, "\(id)")
        record.isStaged = true
        try await save(record)
        return .finished
    }

    /// Whether a mount at the staging path can be the volume's, dead or alive; what somebody else mounted there is not.
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

    /// Takes back a stage that failed; whatever is mounted, and what cannot be taken back now, is left for the next call.
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
                // The mapper would take a loop device away as soon as its last user closes it; nothing is begun here that
                // would end later.
                let holders = DeviceHolders().holders(of: String(device.path.dropFirst("/dev/".count)))
                guard holders.isEmpty else {
                    throw MappingError(
                        .inUse,
                        "\(device.path) is held: \(holders.prefix(6).map(\.description).joined(separator: "; "))"
                    )
                }
            }
            try mapper.unmap(address, observer: observer)
        }
        return .undone
    }
}
