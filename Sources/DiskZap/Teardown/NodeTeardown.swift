internal import BlockDevices
internal import LinuxKernel

/// Everything of one cluster on one host, and nothing else.
public struct NodeTeardown: Sendable {
    /// The cluster.
    public let cluster: String
    /// What is known of the host's disks.
    public let survey: HostSurvey
    /// A plan for every disk on which the cluster has something: those that will be refused, too.
    public let plans: [ZapPlan]
    /// What stays, and why.
    public let left: [String]

    /// Finds everything of a cluster.
    ///
    /// - Parameters:
    ///   - cluster: Its fsid.
    ///   - survey: What is known of the host's disks.
    ///   - method: How disks are erased.
    public init(cluster: String, survey: HostSurvey, method: ZapMethod = .signatures) {
        self.cluster = cluster.lowercased()
        self.survey = survey
        let planner = survey.planner(ZapOptions())
        let inspections = survey.inspections.values.sorted { $0.node.name < $1.node.name }
        var plans: [ZapPlan] = []
        var left: [String] = []
        for inspection in inspections {
            let owners = (inspection.contents?.regions ?? []).flatMap(\.owners).map(planner.resolved)
            let isBegun = survey.marker(on: inspection)?.clusters.contains(cluster.lowercased()) ?? false
            guard isBegun || owners.contains(where: { $0.clusterID == cluster.lowercased() }) else {
                left += Self.remark(inspection, owners)
                continue
            }
            let options = ZapOptions(clusters: [cluster], method: method)
            guard let plan = survey.plan(inspection.node.path, inspection.node.name, options) else { continue }
            plans.append(plan)
        }
        self.plans = plans
        self.left = left
    }

    /// What may be the cluster's and cannot be told.
    private static func remark(_ inspection: DiskInspection, _ owners: [OSDOwner]) -> [String] {
        guard let contents = inspection.contents else { return ["\(inspection.node.path): cannot be read"] }
        if let other = owners.compactMap(\.clusterID).first {
            return ["\(inspection.node.path): belongs to the cluster \(other)"]
        }
        if !owners.isEmpty { return ["\(inspection.node.path): belongs to an OSD whose cluster is not known here"] }
        let isEncrypted = contents.regions.contains { $0.luks != nil }
        return isEncrypted ? ["\(inspection.node.path): is encrypted, and says no cluster"] : []
    }

    /// The plans that can be done.
    public var possible: [ZapPlan] { plans.filter(\.refusals.isEmpty) }
    /// The plans that are refused.
    public var refused: [ZapPlan] { plans.filter { !$0.refusals.isEmpty } }

    /// For scripts.
    public var report: JSONValue {
        .fields([
            "cluster": .text(cluster), "plans": .list(plans.map(\.report)), "left": .texts(left),
        ])
    }
}
