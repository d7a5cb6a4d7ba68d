public import BlockDevices
internal import ExactText
public import LinuxKernel

/// What the OSD of a failed disk leaves to the OSD that takes its place: its number, its db and wal.
///
/// All of it is read from the disks of this host. A disk that cannot be read any more is still known by the tags of the
/// volumes that ceph-volume made for it on other disks.
public struct OSDReplacement: Sendable {
    /// A db or a wal on another disk.
    public struct Companion: Sendable, Hashable {
        /// `db` or `wal`.
        public let role: String
        /// As ceph-volume wants it named: `group/volume`, or a partition's path.
        public let place: String
        /// Whether it is a logical volume.
        public let isVolume: Bool
        /// The disk that it lies on.
        public let disk: String
        /// What of other OSDs lies on that disk, which stays.
        public let neighbours: [String]
    }

    /// The OSD: its number, UUID and cluster.
    public let owner: OSDOwner
    /// Its db and wal.
    public let companions: [Companion]
    /// In words: its db and wal at places that no command can be told.
    let unnamed: [String]
    /// Whether its data was encrypted.
    public let isEncrypted: Bool
    /// What opens it, and what of that is missing.
    let keys: OSDKeys
    /// Its device class, where ceph-volume noted one.
    public let deviceClass: String?

    /// Finds what belongs to an OSD.
    ///
    /// - Parameters:
    ///   - survey: All disks of the host.
    ///   - disk: The failed disk, by the kernel's name; `nil` if it is gone.
    ///   - osd: Its number, for a disk that says nothing any more.
    ///   - cluster: Its cluster, where several have such an OSD.
    /// - Throws: ``Refusal`` if the OSD is not known, or is not the only one that it can be.
    public init(_ survey: HostSurvey, disk: String?, osd: Int?, cluster: String?) throws(Refusal) {
        let all = survey.inspections.values.sorted { $0.node.name < $1.node.name }
        let parts = all.flatMap { inspection in (inspection.contents?.regions ?? []).map { Part(inspection, $0) } }
        let own = parts.filter { $0.disk == disk }
        // What the disk itself says decides; others are asked only about one that says nothing.
        let told = own.flatMap(\.owners).filter { $0.osdID != nil }
        let known = told.isEmpty && osd != nil ? parts.flatMap(\.owners).filter { $0.osdID != nil } : told
        let candidates = known.filter { owner in
            (osd == nil || owner.osdID == osd) && (cluster == nil || owner.clusterID == cluster)
        }
        guard told.isEmpty || !candidates.isEmpty else {
            throw Self.contradiction(own.first?.path, told, osd: osd, cluster: cluster)
        }
        let named = Dictionary(grouping: candidates) { $0.osdUUID ?? "" }.filter { !$0.key.isEmpty }
        guard named.count == 1, let (uuid, found) = named.first, let first = found.first else {
            throw Self.refusal(
                named.values.compactMap(\.first),
                disk: disk,
                osd: osd,
                own.lazy.compactMap(\.region.luks).first
            )
        }
        var owner = first
        owner.clusterID = found.compactMap(\.clusterID).first
        self.owner = owner
        let others = parts.filter { $0.disk != disk }.compactMap { part in
            part.owners.first { $0.osdUUID == uuid && ["db", "wal"].contains($0.role) }.map { ($0.role, part) }
        }
        unnamed = others.filter { $0.1.place == nil }.map { "its \($0) is \($1.region.name) on \($1.path)" }.uniqued()
        companions = others.compactMap { role, part in
            guard let place = part.place else { return nil }
            let neighbours = parts.filter { $0.disk == part.disk }.flatMap(\.owners).filter { $0.osdUUID != uuid }
            return Companion(
                role: role,
                place: place,
                isVolume: part.region.logicalVolume != nil,
                disk: part.path,
                neighbours: neighbours.map(\.text).uniqued()
            )
        }.uniqued()
        let tags = parts.filter { $0.owners.contains { $0.osdUUID == uuid } }.compactMap(\.region.logicalVolume?.tags)
        isEncrypted = tags.contains { $0["ceph.encrypted"] == "1" }
        keys = OSDKeys(
            osdUUID: uuid,
            volumes: parts.compactMap { part in
                guard let owner = part.owners.first(where: { $0.osdUUID == uuid }),
                    let volume = part.region.logicalVolume
                else { return nil }
                return OSDKeys.Volume(
                    role: owner.role,
                    place: part.place ?? part.path,
                    tags: volume.tags,
                    secrets: volume.secrets,
                    luks: part.region.luks,
                    isReadable: part.isReadable
                )
            }
        )
        deviceClass = tags.compactMap { $0["ceph.crush_device_class"] }.first { !$0.isEmpty && $0 != "None" }
    }

    /// Refuses a disk that is not a new one: its data would be lost, or the OSD would be made on what has failed.
    ///
    /// - Parameters:
    ///   - new: The disk that is to take the failed one's place, or a part of it.
    ///   - failed: The failed disk by the kernel's name; `nil` if it is gone.
    ///   - survey: All disks of the host.
    /// - Throws: ``Refusal``.
    public func refuse(new: BlockNode, failed: String?, _ survey: HostSurvey) throws(Refusal) {
        let remedy = "name the disk that takes its place by --new"
        let disks = survey.tree.disks(below: new.name)
        let nodes = disks + disks.flatMap { survey.tree.otherPaths(of: $0.name) }
        let own = failed.map { [$0] + survey.tree.otherPaths(of: $0).map(\.name) } ?? []
        if nodes.contains(where: { own.contains($0.name) }) {
            throw Refusal(.contradiction, "'\(new.path)' is on the failed disk itself", remedy: remedy)
        }
        // The rest of the disks that a partition, a volume or an array lies on may have other uses.
        let isPart = disks.map(\.name) != [new.name]
        for node in isPart ? [new] : nodes {
            if let directory = survey.systemDevices[node.name] {
                throw Refusal(.system, "'\(new.path)' carries '\(directory)' of this system", remedy: remedy)
            }
            let inspection =
                survey.inspections[node.name] ?? survey.host.inspect(node, in: survey.tree, use: survey.use)
            if let place = inspection.mounts.first {
                throw Refusal(.mounted, "'\(new.path)' is in use: mounted at '\(place.mountPoint)'", remedy: remedy)
            }
            if let swap = inspection.swaps.first {
                throw Refusal(.swap, "'\(new.path)' is in use: '\(swap)' is swap space", remedy: remedy)
            }
            guard let contents = inspection.contents else {
                // Another path to the same bytes may be dead.
                guard node.name == new.name else { continue }
                let why = inspection.failures.map { " (\($0.words))" }.joined()
                throw Refusal(
                    .unreadable,
                    "'\(node.path)' cannot be read, so nobody knows what is on it\(why)",
                    remedy: remedy
                )
            }
            if contents.isBlank { continue }
            let owners = contents.regions.flatMap(\.owners)
            let found = owners.first { $0.osdUUID == owner.osdUUID } ?? owners.first
            let formats = contents.regions.flatMap(\.signatures).map(\.format).uniqued()
            let content = formats.isEmpty ? "data of an unknown kind" : formats.joined(separator: ", ")
            throw Refusal(
                .content,
                "'\(new.path)' is no new disk: it has \(found?.text ?? content)",
                remedy: found?.osdUUID == owner.osdUUID
                    ? remedy : "\(remedy), or erase this one first if nobody needs that: \(Self.erasure(of: new))"
            )
        }
    }

    /// What erases a device and nothing else of the disks below it.
    private static func erasure(of node: BlockNode) -> String {
        // nacre-disk zap would have the disks below named, which hold more than this.
        let isMade = node.mapping != nil || node.raidLevel != nil || node.isBcache
        return isMade ? "blkdiscard --zeroout \(node.path.shellWord)" : "nacre-disk zap \(node.path.shellWord)"
    }

    /// The disk is of other OSDs than the one that was asked for.
    private static func contradiction(_ path: String?, _ told: [OSDOwner], osd: Int?, cluster: String?) -> Refusal {
        let owners = told.compactMap { owner in
            owner.osdID.map { "osd.\($0)'s" + (cluster == nil ? "" : " of \(owner.clusterID ?? "an unknown cluster")") }
        }
        let asked = (osd.map { "osd.\($0)'s" } ?? "an OSD's") + (cluster.map { " of \($0)" } ?? "")
        return Refusal(
            .contradiction,
            "\(path ?? "the disk") is \(owners.uniqued().sorted().joined(separator: " and ")), not \(asked)",
            remedy:
                "leave out the number and the cluster to replace the disk's own OSD, or the disk to replace the other one"
        )
    }

    private static func refusal(_ found: [OSDOwner], disk: String?, osd: Int?, _ luks: LUKSHeader?) -> Refusal {
        let name = disk.map { "'\($0)'" } ?? "osd.\(osd.map(String.init) ?? "?")"
        guard found.isEmpty else {
            let texts = found.map(\.text).sorted().joined(separator: "; ")
            return Refusal(
                .contradiction,
                "\(name) may be any of these: \(texts)",
                remedy: "say which with --osd and --fsid"
            )
        }
        if let luks, osd == nil {
            return Refusal(
                .unknownOSD,
                "\(name) is encrypted, and only what is inside says which OSD it was: \(luks.keyInWords)",
                remedy: "ceph osd tree says which OSD is down; give its number with --osd"
            )
        }
        return Refusal(
            .unknownOSD,
            "no disk of this host says which OSD \(name) was",
            remedy: "ceph osd tree says which OSD is down; give its number with --osd, and its disk's db with --include"
        )
    }

    /// A part of a disk, and what OSD it is of.
    private struct Part {
        let disk: String
        let path: String
        let region: Region
        /// Whether all of the disk could be read that had to be.
        let isReadable: Bool
        let owners: [OSDOwner]

        init(_ inspection: DiskInspection, _ region: Region) {
            disk = inspection.node.parent ?? inspection.node.name
            path = inspection.node.path
            self.region = region
            isReadable = inspection.failures.isEmpty
            owners = region.owners
        }

        var place: String? {
            switch region.kind {
            case .logicalVolume(let group, let name): "\(group)/\(name)"
            case .partition(let number): path.last?.isNumber ?? false ? "\(path)p\(number)" : "\(path)\(number)"
            case .device: path
            default: nil
            }
        }
    }
}
