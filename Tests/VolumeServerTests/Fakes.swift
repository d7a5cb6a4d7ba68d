import Logging
import Secrets
import Synchronization
import Volumes

/// Remembers calls, answers them at once or when told, and knows volumes by name.
final class FakeController: ControllerService {
    struct State {
        var calls: [String] = []
        var volumes: [String: Volume] = [:]
        var failure: VolumeError?
        var delay = Duration.zero
    }

    let state = Mutex(State())

    var calls: [String] { state.withLock { $0.calls } }

    private func enter(_ call: String) async throws(VolumeError) {
        let (failure, delay) = state.withLock { state in
            state.calls.append(call)
            return (state.failure, state.delay)
        }
        let end = ContinuousClock.now + delay
        // A delay that is taken back ends for those who are in it, too.
        while .now < end, state.withLock({ $0.delay }) != .zero {
            do { try await Task.sleep(for: .milliseconds(10)) } catch { break }
        }
        if let failure { throw failure }
    }

    func createVolume(
        _ request: CreateVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Volume {
        try await enter("createVolume \(request.name) \(request.credentials)")
        let size = try request.range.newSizeBytes()
        let id = try VolumeID(clusterID: "c1", pool: "replicapool", namespace: "", image: "csi-vol-\(request.name)")
        return state.withLock { state in
            let volume =
                state.volumes[request.name]
                ?? Volume(id: id, capacityBytes: size, context: ["pool": "replicapool"], source: request.source)
            state.volumes[request.name] = volume
            return volume
        }
    }

    func handle(of name: String, parameters: [String: String]) throws(VolumeError) -> VolumeID {
        try VolumeID(clusterID: "c1", pool: "replicapool", namespace: "", image: "csi-vol-\(name)")
    }

    func metadata(
        of volumeID: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> [String: String] {
        try await enter("metadata \(volumeID)")
        return [:]
    }

    func setNotes(
        _ notes: [String: String],
        of volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        try await enter("setNotes \(volumeID)")
    }

    func deleteVolume(
        _ volumeID: String,
        noting notes: [String: String],
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        try await enter("deleteVolume \(volumeID)")
    }

    func expandVolume(
        _ request: ExpandVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> ExpandedVolume {
        try await enter("expandVolume \(request.volumeID)")
        return ExpandedVolume(capacityBytes: request.range.requiredBytes, nodeExpansionRequired: true)
    }

    func validateCapabilities(
        _ request: ValidateCapabilitiesRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> CapabilityVerdict {
        try await enter("validateCapabilities \(request.volumeID)")
        let refusal = request.capabilities.compactMap(\.refusal).first
        return refusal.map { .refused($0) } ?? .confirmed
    }

    func listVolumes(
        maxEntries: Int32,
        startingToken: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumePage {
        try await enter("listVolumes \(maxEntries) \(startingToken)")
        let volumes = state.withLock { $0.volumes.values.sorted { $0.id.description < $1.id.description } }
        return VolumePage(volumes: volumes, nextToken: "more")
    }

    func capacity(
        parameters: [String: String],
        capabilities: [VolumeCapability],
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Capacity {
        try await enter("capacity")
        return Capacity(availableBytes: 5 << 30)
    }

    func status(of volumeID: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeStatus {
        try await enter("status \(volumeID)")
        return VolumeStatus(
            volume: Volume(id: try VolumeID(parsing: volumeID), capacityBytes: 1 << 30),
            condition: VolumeCondition(isAbnormal: true, message: "in the trash")
        )
    }

    func createSnapshot(
        _ request: CreateSnapshotRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot {
        try await enter("createSnapshot \(request.name) \(request.source)")
        return try snapshot(named: request.name, of: request.source)
    }

    func begunSnapshot(
        named name: String,
        of source: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotID? {
        try await enter("begunSnapshot \(name) \(source)")
        return nil
    }

    func deleteSnapshot(
        _ handle: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        try await enter("deleteSnapshot \(handle)")
    }

    func snapshot(
        _ handle: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot {
        try await enter("snapshot \(handle)")
        guard let id = try? SnapshotID(parsing: handle) else {
            throw VolumeError(.notFound, "snapshot '\(handle)' does not exist")
        }
        var found = try snapshot(named: "a", of: "c1/replicapool//csi-vol-a")
        found.id = id
        return found
    }

    func snapshots(
        of source: String?,
        maximum: Int,
        token: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotPage {
        try await enter("snapshots \(source ?? "") \(maximum) \(token)")
        return SnapshotPage(
            snapshots: [try snapshot(named: "a", of: source ?? "c1/replicapool//csi-vol-a")],
            nextToken: "more"
        )
    }

    private func snapshot(named name: String, of source: String) throws(VolumeError) -> Snapshot {
        let volume = try VolumeID(parsing: source)
        return Snapshot(
            id: try SnapshotID(of: volume, imageID: "1a2b", name: "csi-snap-\(name)"),
            source: volume,
            sourceHandle: source,
            sizeBytes: 1 << 30,
            created: .seconds(1_764_000_000) + .milliseconds(500),
            name: name
        )
    }
}

/// Remembers calls.
final class FakeNode: NodeService {
    private let state = Mutex<[String]>([])

    var calls: [String] { state.withLock { $0 } }

    let info = NodeInfo(nodeID: "node-a", maxVolumes: 0)

    private func enter(_ call: String) { state.withLock { $0.append(call) } }

    func stage(_ request: StageRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        enter("stage \(request.volumeID) \(request.stagingPath)")
    }

    func unstage(volumeID: String, stagingPath: String, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        enter("unstage \(volumeID) \(stagingPath)")
    }

    func publish(_ request: PublishRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        enter("publish \(request.volumeID) \(request.targetPath) \(request.isReadOnly)")
    }

    func unpublish(volumeID: String, targetPath: String, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        enter("unpublish \(volumeID) \(targetPath)")
    }

    func expand(_ request: NodeExpandRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) -> UInt64 {
        enter("expand \(request.volumePath)")
        return request.range?.requiredBytes ?? 0
    }

    func stats(_ request: StatsRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeStats {
        enter("stats \(request.volumePath)")
        return VolumeStats(
            bytes: VolumeStats.Usage(available: 1, total: 3, used: 2),
            inodes: VolumeStats.Usage(available: 4, total: 9, used: 5),
            condition: VolumeCondition(isAbnormal: false, message: "mounted")
        )
    }
}

/// Everything that was logged.
final class LogLines: Sendable {
    private let state = Mutex<[String]>([])

    var all: [String] { state.withLock { $0 } }

    func append(_ line: String) { state.withLock { $0.append(line) } }

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(lines: self) }
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            let pairs = all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            lines.append("\(event.level) \(event.message) \(pairs)")
        }
    }
}
