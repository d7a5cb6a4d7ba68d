internal import BlockDevices
internal import ExactText
internal import LinuxKernel

/// Finds and removes everything of named clusters on one host, and nothing else.
public struct NodeTeardown: Sendable {
    /// The cluster that leaves.
    public let cluster: String
    /// Other clusters whose disks go, too.
    public let foreign: [String]
    /// What is known of the host's disks.
    public let survey: HostSurvey
    /// A plan for every disk with something of the cluster, including those that will be refused.
    public let plans: [ZapPlan]
    /// What stays, and why.
    public let left: [Left]

    /// A disk that is kept because nothing on it names the cluster.
    public struct Left: Sendable, Hashable {
        /// Which, and why.
        public let text: String
        /// Whether it may still hold something of the cluster: it cannot be read, or holds an OSD of an unknown
        /// cluster.
        public let isUnclear: Bool
        /// What makes it clear; nothing where it is clear.
        public let remedy: String?

        init(text: String, isUnclear: Bool, remedy: String? = nil) {
            (self.text, self.isUnclear, self.remedy) = (text, isUnclear, remedy)
        }
    }

    /// Finds everything of a cluster.
    ///
    /// - Parameters:
    ///   - cluster: Its fsid.
    ///   - foreign: The fsids of other clusters whose disks go, too.
    ///   - survey: What is known of the host's disks.
    ///   - method: How disks are erased.
    public init(
        cluster: String,
        foreign: [String] = [],
        survey: HostSurvey,
        method: ZapMethod = .signatures
    ) {
        self.cluster = cluster.lowercased()
        self.foreign = foreign.map { $0.lowercased() }
        self.survey = survey
        let clusters = Set([self.cluster] + self.foreign)
        let planner = survey.planner(ZapOptions())
        let named = Self.names(clusters, survey, planner)
        let inspections = survey.inspections.values.sorted { $0.node.name < $1.node.name }
        let running = RunningOSDs(on: survey.host, survey.use)
        var plans: [ZapPlan] = []
        var left: [Left] = []
        for inspection in inspections {
            let owners = (inspection.contents?.regions ?? []).flatMap(\.owners).map(planner.resolved)
            // Another node of a disk that goes, too.
            if named.isDisjoint(with: [inspection.node.name]),
                inspection.otherPaths.contains(where: {
                    named.contains($0.node.name)
                })
            {
                continue
            }
            guard named.contains(inspection.node.name) else {
                left += Self.remark(inspection, owners, system: survey.systemDevices[inspection.node.name])
                continue
            }
            let options = ZapOptions(clusters: clusters, method: method)
            let place = inspection.node
            let plan = survey.plan(place.path, place.name, options, together: named, running: running)
            plans += plan.map { [$0] } ?? []
        }
        self.plans = plans
        self.left = left
    }

    /// Disks on which a cluster has something, an unfinished zap of it, or a part of one of its volume groups.
    private static func names(_ clusters: Set<String>, _ survey: HostSurvey, _ planner: ZapPlanner) -> Set<String> {
        var groups: Set<String> = []
        var found: Set<String> = []
        for (name, inspection) in survey.inspections {
            let regions = inspection.contents?.regions ?? []
            let owners = regions.flatMap(\.owners).map(planner.resolved)
            let all = owners.compactMap(\.clusterID) + (survey.begun(on: inspection)?.record.clusters ?? [])
            guard !clusters.isDisjoint(with: all) else { continue }
            found.insert(name)
            groups.formUnion(regions.compactMap { $0.physicalVolume?.group?.id })
        }
        let members = survey.inspections.filter { _, inspection in
            (inspection.contents?.regions ?? []).contains { region in
                region.physicalVolume?.group.map { groups.contains($0.id) } ?? false
            }
        }
        return oneNodeEach(found.union(members.keys), survey)
    }

    /// Of several nodes of one disk the one that something stands on, else the first.
    private static func oneNodeEach(_ names: Set<String>, _ survey: HostSurvey) -> Set<String> {
        func rank(_ name: String) -> (Int, String) {
            (survey.tree.above(name).contains { !$0.isPartition && $0.name != name } ? 0 : 1, name)
        }
        return names.filter { name in
            !survey.tree.otherPaths(of: name).contains { names.contains($0.name) && rank($0.name) < rank(name) }
        }
    }

    /// What may be the cluster's and cannot be told.
    private static func remark(
        _ inspection: DiskInspection,
        _ owners: [OSDOwner],
        system: String?
    ) -> [Left] {
        let path = inspection.node.path
        guard let contents = inspection.contents else {
            let why = inspection.failures.map { " (\($0.words))" }.joined()
            let uses = (system.map { [$0] } ?? []) + inspection.mounts.map(\.mountPoint)
            let use = uses.first.map { ", and carries '\($0)'" } ?? ""
            let remedy =
                uses.isEmpty
                ? "have '\(path)' read (as root, on the host itself), or take it out of the node if it is broken"
                : "have '\(path)' read (as root, on the host itself); it is in use, so never erase it"
            return [Left(text: "\(path): cannot be read\(why)\(use)", isUnclear: true, remedy: remedy)]
        }
        if let owner = owners.first(where: { $0.clusterID == nil }) {
            let consent = owner.osdUUID.map { " --unknown-osd \($0)" } ?? ""
            let remedy =
                "find out whose '\(path)' is (nacre-disk inspect \(path.shellWord)); if it is this cluster's: nacre-disk zap "
                + "\(path.shellWord)\(consent)"
            let text = "\(path): belongs to an OSD whose cluster is not known here"
            return [Left(text: text, isUnclear: true, remedy: remedy)]
        }
        if let other = owners.compactMap(\.clusterID).first {
            return [Left(text: "\(path): belongs to the cluster \(other)", isUnclear: false)]
        }
        let isEncrypted = contents.regions.contains { $0.luks != nil }
        return isEncrypted ? [Left(text: "\(path): is encrypted, and says no cluster", isUnclear: false)] : []
    }

    /// The plans that can be done.
    public var possible: [ZapPlan] { plans.filter(\.refusals.isEmpty) }
    /// Those of ``possible`` that are erased first: only the main device tells the cluster of a db.
    public var first: [ZapPlan] { possible.filter(\.knowsOwnerBySibling) }

    /// Those that are erased then.
    ///
    /// A main device is kept while a db or wal of its OSD is not erased, because the owner of that could not be found
    /// any more.
    ///
    /// - Parameter unfinished: Plans of ``first`` that did not end with a clean disk.
    /// - Returns: What can be erased, and what stays.
    public func second(without unfinished: [ZapPlan]) -> (possible: [ZapPlan], waiting: [ZapPlan]) {
        let stuck = unfinished + refused.filter(\.knowsOwnerBySibling)
        let osds = Set(stuck.flatMap(\.owners).filter { $0.evidence == .sibling }.compactMap(\.osdUUID))
        let rest = possible.filter { !$0.knowsOwnerBySibling }
        let waiting = rest.filter { plan in plan.owners.contains { $0.osdUUID.map(osds.contains) ?? false } }
        let paths = Set(waiting.map(\.identity.name))
        return (rest.filter { !paths.contains($0.identity.name) }, waiting)
    }

    /// The plans that are refused.
    public var refused: [ZapPlan] { plans.filter { !$0.refusals.isEmpty } }

    /// All clusters that go.
    public var clusters: [String] { [cluster] + foreign }
}

extension ZapPlan {
    /// Whether only another disk tells the owner of something on the device.
    var knowsOwnerBySibling: Bool { owners.contains { $0.evidence == .sibling } }
}
