public import BlockDevices
internal import ExactText
public import LinuxKernel

/// The owners of mappings, by the content of the disks below them and not by their names.
public struct MappingOwners: Sendable {
    private let survey: HostSurvey

    /// Owners as a survey of the host tells them.
    public init(_ survey: HostSurvey) { self.survey = survey }

    /// The owners of a node; empty if no disk below it says any.
    ///
    /// - Parameter node: A mapping, a disk or a partition.
    /// - Returns: The owners according to its logical volume, LUKS header or label.
    public func owners(of node: BlockNode) -> [OSDOwner] {
        let planner = survey.planner(ZapOptions())
        return regions(of: node, depth: 0).flatMap(\.owners).map(planner.resolved).uniqued()
    }

    /// The one cluster of a node; `nil` if it has none or several.
    public func cluster(of node: BlockNode) -> String? {
        let clusters = Set(owners(of: node).compactMap(\.clusterID))
        return clusters.count == 1 ? clusters.first : nil
    }

    private func regions(of node: BlockNode, depth: Int) -> [Region] {
        guard depth < 8 else { return [] }
        if let uuid = node.mapping?.uuid, uuid.startsExactly(with: "LVM-") {
            let id = uuid.dropFirst(4).prefix(64)
            return survey.tree.disks(below: node.name).flatMap { disk in
                let regions = survey.inspections[disk.name]?.contents?.regions ?? []
                let groups = regions.compactMap { $0.physicalVolume?.group?.id }
                return regions.filter { region in
                    guard let volume = region.logicalVolume else { return false }
                    return groups.contains { $0 + volume.id == id }
                }
            }
        }
        if node.mapping != nil {
            return node.slaves.compactMap { survey.tree.nodes[$0] }.flatMap { regions(of: $0, depth: depth + 1) }
        }
        let number = node.partitionNumber
        let disk = node.parent ?? node.name
        return (survey.inspections[disk]?.contents?.regions ?? []).filter { region in
            number.map { region.kind == .partition($0) } ?? (region.kind == .device)
        }
    }
}

extension HostSurvey {
    /// Mappings of one cluster, the topmost first.
    public func mappings(ofCluster cluster: String) -> [BlockNode] {
        let owners = MappingOwners(self)
        let own = tree.nodes.values.filter { $0.mapping != nil && owners.cluster(of: $0) == cluster.lowercased() }
        return own.sorted { left, right in
            let (above, below) = (tree.above(left.name).count, tree.above(right.name).count)
            return above == below ? left.name < right.name : above < below
        }
    }
}
