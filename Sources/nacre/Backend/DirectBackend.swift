import CephVolumes
import ExactText
import Secrets
import Synchronization
import Volumes

/// The step that an operation entered last.
final class LatestStep: Sendable {
    private let latest = Mutex<String?>(nil)

    /// Takes note of a step.
    func observe(_ step: any OperationStep) {
        latest.withLock { $0 = step.phrase }
    }

    /// The step, for a person.
    var phrase: String? { latest.withLock { $0 } }
}

/// The services in this process.
struct DirectBackend: VolumeBackend {
    let controller: any ControllerService
    /// `nil` if only the controller's calls are needed.
    let node: (any NodeService)?
    let operations: Operations
    let nodeSteps: LatestStep
    let purger: TrashPurger
    let store: RBDImageStore
    let configuration: ClusterConfiguration

    func configurationFaults() async -> [String] { configuration.shortcomings }

    func lackOfClusters() async -> CommandFailure? {
        guard configuration.clusters.isEmpty, let fault = configuration.shortcomings.first else { return nil }
        return .noClusters(fault, isEmpty: configuration.fault == nil && configuration.entryFaults.isEmpty)
    }

    func refusedPools() async -> [RefusedPool] { store.access.refusedPools }

    func absence(ofPool pool: String, deadline: ContinuousClock.Instant) async -> VolumeError? {
        let store = store
        do {
            try await answered(by: deadline) { try await store.access.requirePool(pool) }
            return nil
        } catch {
            guard let error = error as? VolumeError, error.code == .invalidArgument else { return nil }
            return error
        }
    }

    func absence(of pool: PoolAddress, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeError? {
        do throws(VolumeError) {
            _ = try await controller.capacity(
                parameters: ["clusterID": pool.clusterID, "pool": pool.pool],
                capabilities: [],
                credentials: nil,
                deadline: deadline
            )
            return nil
        } catch {
            guard error.code == .invalidArgument else { throw error }
            return error
        }
    }

    var step: String? { operations.underWay.first?.progress.description ?? nodeSteps.phrase }

    var silence: String? {
        // Of what has its connection, or works in one pool, another cluster's monitors are no reason.
        let waiting: [VolumeStep] = [.connecting, .listing, .readingCapacity]
        let others = VolumeStep.allCases.filter { !waiting.contains($0) }
        let now = operations.underWay.first?.progress.description ?? ""
        guard !others.contains(where: { now.startsExactly(with: $0.phrase) }) else { return nil }
        return store.health.silence
    }

    func create(_ request: CreateVolumeRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Volume {
        try await controller.createVolume(request, deadline: deadline)
    }

    func list(
        maxEntries: Int32,
        startingToken: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumePage {
        try await controller.listVolumes(maxEntries: maxEntries, startingToken: startingToken, deadline: deadline)
    }

    func status(of volumeID: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeStatus {
        try await controller.status(of: volumeID, deadline: deadline)
    }

    func expand(
        _ request: ExpandVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> ExpandedVolume {
        try await controller.expandVolume(request, deadline: deadline)
    }

    func delete(
        _ volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        try await controller.deleteVolume(volumeID, credentials: credentials, deadline: deadline)
    }

    func stage(_ request: StageRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        try await present(node).stage(request, deadline: deadline)
    }

    func publish(_ request: PublishRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) {
        try await present(node).publish(request, deadline: deadline)
    }

    func unpublish(
        _ volumeID: String,
        targetPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        try await present(node).unpublish(volumeID: volumeID, targetPath: targetPath, deadline: deadline)
    }

    func unstage(
        _ volumeID: String,
        stagingPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        try await present(node).unstage(volumeID: volumeID, stagingPath: stagingPath, deadline: deadline)
    }

    func stats(
        _ volumeID: String,
        path: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumeStats {
        try await present(node).stats(
            StatsRequest(volumeID: volumeID, volumePath: path, stagingPath: ""),
            deadline: deadline
        )
    }

    func expandOnNode(
        _ request: NodeExpandRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> UInt64 {
        try await present(node).expand(request, deadline: deadline)
    }

    private func present(_ node: (any NodeService)?) throws(VolumeError) -> any NodeService {
        guard let node else { throw VolumeError(.unimplemented, "this command was given no node service") }
        return node
    }
}
