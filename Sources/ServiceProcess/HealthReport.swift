internal import CephVolumes
package import VolumeServer
internal import Volumes

/// What `/healthz` and Probe answer.
package struct HealthReport: Sendable {
    private let stack: ControllerStack
    private let trash: TrashRounds?

    /// How long the monitors may take to answer.
    private static let limit = Duration.seconds(3)
    /// An operation older than this makes the service unwell.
    private static let longOperation = Duration.seconds(120)

    /// A report of a stack, and of the trash where images are deleted.
    package init(stack: ControllerStack, trash: TrashRounds? = nil) {
        self.stack = stack
        self.trash = trash
    }

    package func health() async -> Health {
        var parts: [Health.Part] = []
        let clusters = stack.configuration.clusters
        if let fault = stack.configuration.fault {
            parts.append(Health.Part("configuration", isWell: false, message: fault))
        } else {
            let faults = stack.configuration.entryFaults
            let message = (["\(clusters.count) cluster\(clusters.count == 1 ? "" : "s")"] + faults).joined(
                separator: "; "
            )
            parts.append(Health.Part("configuration", isWell: faults.isEmpty, message: message))
        }
        let deadline = ContinuousClock.now + Self.limit
        await withTaskGroup(of: [Health.Part].self) { group in
            for cluster in clusters {
                group.addTask { await self.parts(ofCluster: cluster.clusterID, deadline) }
            }
            for await found in group { parts += found }
        }
        // Users may be meant to see some pools only; nacre volume list tells of the others.
        parts += stack.store.access.refusedPools.map { refused in
            Health.Part("cluster/\(refused.clusterID)/pool/\(refused.pool)", isWell: true, message: refused.message)
        }
        parts.append(operations)
        if let trash { parts.append(part(of: trash)) }
        return Health(parts.sorted { $0.name < $1.name })
    }

    /// The answer to Probe: the service is ready if its configuration is valid, even if clusters are unreachable.
    package func readiness() async -> Readiness {
        stack.configuration.fault.map(Readiness.misconfigured) ?? .ready
    }

    private func parts(ofCluster clusterID: String, _ deadline: ContinuousClock.Instant) async -> [Health.Part] {
        let health = await stack.store.health.clusterHealth(
            of: clusterID,
            operations: stack.operations,
            deadline: deadline
        )
        return health.parts.map { part in
            Health.Part("cluster/\(clusterID)/\(part.name)", isWell: part.isWell, message: part.message)
        }
    }

    private func part(of trash: TrashRounds) -> Health.Part {
        let status = stack.purger.status
        let complaints = [status.complaint].compactMap(\.self) + trash.failures
        guard complaints.isEmpty else {
            return Health.Part("trash", isWell: false, message: complaints.joined(separator: "; "))
        }
        let summary = [status.summary, trash.summary].filter { !$0.isEmpty }.joined(separator: "; ")
        return Health.Part("trash", isWell: true, message: summary)
    }

    private var operations: Health.Part {
        let underWay = stack.operations.underWay
        guard let oldest = underWay.first, oldest.age > Self.longOperation else {
            return Health.Part("operations", isWell: true, message: "\(underWay.count) under way")
        }
        return Health.Part(
            "operations",
            isWell: false,
            message: "\(oldest.title) has been under way for \(oldest.age.seconds): \(oldest.progress.description)"
        )
    }
}
