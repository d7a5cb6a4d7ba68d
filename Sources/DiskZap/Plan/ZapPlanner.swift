public import BlockDevices
public import LinuxKernel

/// Makes plans from an inspection: what is to be erased, and reasons to refuse.
///
/// Pure: it reads nothing.
public struct ZapPlanner: Sendable {
    let tree: BlockTree
    let options: ZapOptions
    /// Main devices of OSDs on this host, by OSD UUID; they tell the owner of db and wal devices.
    let mainDevices: [String: OSDOwner]
    /// Devices that carry directories of the system, by the kernel's name.
    let systemDevices: [String: String]
    /// Disks that begin with a BlueStore label: the kernel may see partitions in their data.
    let labelledDisks: Set<String>
    /// Disks that are erased together: a volume group on only these disks may be erased.
    let together: Set<String>
    /// Disks that were named, each by the node that was named.
    let named: Set<String>
    /// The host's disks by the ids of the physical volumes on them.
    let physicalVolumes: [String: String]
    /// What of OSDs runs on the host.
    let running: RunningOSDs

    /// A planner for one host.
    ///
    /// - Parameters:
    ///   - tree: All block devices.
    ///   - options: What was named, and the method.
    ///   - mainDevices: Owners by OSD UUID, from the main devices of this host.
    ///   - systemDevices: Directories of the system by the devices that carry them.
    ///   - labelledDisks: Disks that begin with a BlueStore label.
    ///   - together: Disks that are erased in one go, by all their nodes.
    ///   - named: Disks that were named, each by the node that was named.
    ///   - physicalVolumes: Disks by the ids of the physical volumes on them.
    ///   - running: What of OSDs runs on the host.
    public init(
        tree: BlockTree,
        options: ZapOptions,
        mainDevices: [String: OSDOwner] = [:],
        systemDevices: [String: String] = [:],
        labelledDisks: Set<String> = [],
        together: Set<String> = [],
        named: Set<String> = [],
        physicalVolumes: [String: String] = [:],
        running: RunningOSDs = RunningOSDs()
    ) {
        self.tree = tree
        self.options = options
        self.mainDevices = mainDevices
        self.systemDevices = systemDevices
        self.labelledDisks = labelledDisks
        self.together = together
        self.named = named
        self.physicalVolumes = physicalVolumes
        self.running = running
    }

    /// The plan for a device that was inspected.
    ///
    /// - Parameters:
    ///   - path: How it was named.
    ///   - inspection: What was found.
    ///   - begun: An unfinished zap of it.
    ///   - writers: Looks who has it open to write; asked only when nothing else keeps it from being erased.
    /// - Returns: The plan, with all refusals.
    public func plan(
        _ path: String,
        _ inspection: DiskInspection,
        begun: BegunZap? = nil,
        writers: () -> [Refusal] = { [] }
    ) -> ZapPlan {
        let teardown = teardownSteps(inspection)
        // What a copy of the disk brought with it says nothing of what this one was.
        let own = begun.flatMap { $0.isOfThisDisk ? $0.record : nil }
        let owners = inspection.contents.map(owners) ?? []
        var refusals = deviceRefusals(inspection) + useRefusals(inspection) + stackRefusals(inspection)
        refusals += pathRefusals(inspection) + reservationRefusals(inspection)
        var places: [PlannedPlace] = []
        var headers: [ByteExtent] = []
        var parts: [String] = []
        if let contents = inspection.contents {
            refusals += runningRefusals(inspection, owners) + groupRefusals(contents)
            refusals += ownerRefusals(contents, begun) + contentRefusals(contents, begun)
            places = ZapPlaces(contents: contents, options: options, marker: begun?.record).all
            headers = HeaderPlaces.of(contents)
            parts = contents.regions.flatMap { ZapMarkerRecord.names(of: $0, in: contents) }
        }
        if refusals.allSatisfy(\.canBeNamed) { refusals += writers() }
        return ZapPlan(
            path: path,
            inspection: inspection,
            owners: owners,
            method: options.method,
            teardown: teardown,
            ranges: places.map(\.extent).merged(),
            reasons: places,
            headers: headers,
            refusals: refusals.uniqued(),
            warnings: warnings(inspection, owners) + (begun != nil && own == nil ? [Self.strangeMarker] : []),
            isResumed: own != nil,
            clusters: Set(owners.compactMap(\.clusterID) + (begun?.record.clusters ?? [])).sorted(),
            parts: (parts + (own?.parts ?? [])).uniqued(),
            hasNoise: own?.hasNoise ?? false,
            hasNoiseAnywhere: own?.isShredded ?? false
        )
    }

    private func teardownSteps(_ inspection: DiskInspection) -> [TeardownStep] {
        inspection.tree.dropFirst().reversed().compactMap { node in
            guard let mapping = node.mapping else { return nil }
            return TeardownStep(
                node: node.name,
                device: node.device,
                mapping: mapping.name,
                uuid: mapping.uuid,
                kind: String(mapping.uuid.prefix { $0 != "-" })
            )
        }
    }

    /// One owner for each OSD role on the device; for db and wal devices as their main device says.
    private func owners(_ contents: DeviceContents) -> [OSDOwner] {
        contents.regions.flatMap(\.owners).map(resolved).uniqued()
    }

    func resolved(_ owner: OSDOwner) -> OSDOwner {
        guard owner.clusterID == nil, let uuid = owner.osdUUID, let main = mainDevices[uuid] else { return owner }
        var known = owner
        known.clusterID = main.clusterID
        known.osdID = main.osdID
        known.evidence = .sibling
        return known
    }

    private static let strangeMarker =
        "a zap did not finish, but its marker may be another disk's (this one may be a copy, has no serial number of its own, "
        + "or an earlier release began): all has to be named again"

    private func warnings(_ inspection: DiskInspection, _ owners: [OSDOwner]) -> [String] {
        var warnings: [String] = []
        let shared = Set(owners.filter { $0.role == "db" || $0.role == "wal" }.compactMap { $0.osdID ?? nil })
        if shared.count > 1 {
            let list = shared.sorted().map { "osd.\($0)" }.joined(separator: ", ")
            warnings.append("\(list) lose their db or wal with this device")
        }
        if inspection.identity.serial == nil, inspection.identity.worldWideName == nil {
            warnings.append("the device has neither a serial number nor a world-wide name")
        }
        for group in (inspection.contents?.regions ?? []).compactMap(\.physicalVolume?.group) {
            let away = group.physicalVolumes.values.map(\.id).filter { physicalVolumes[$0] == nil }.sorted()
            guard group.physicalVolumes.count > 1, !away.isEmpty else { continue }
            let ids = away.map(LVMPhysicalVolume.dashed).joined(separator: ", ")
            warnings.append("physical volumes of its group '\(group.name)' were not seen on this host: \(ids)")
        }
        if !inspection.otherPaths.isEmpty {
            let names = inspection.otherPaths.map { "'\($0.node.name)'" }.joined(separator: ", ")
            warnings.append("the same disk is \(names), too; that is claimed first, and then goes with it")
        }
        if let reservation = inspection.reservation, reservation.kind == nil {
            warnings.append("other hosts may use it: \(reservation.words)")
        }
        if let failure = inspection.reservationFailure {
            warnings.append("nobody knows whether another host has reserved it: cannot ask \(failure)")
        }
        if !inspection.failures.isEmpty {
            warnings.append(
                "parts could not be read: \(inspection.failures.map(\.description).joined(separator: ", "))"
            )
        }
        return warnings
    }
}

extension Sequence where Element: Hashable {
    /// The elements in order, each once.
    func uniqued() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
