public import BlockDevices
internal import ExactText
public import LinuxKernel

/// The content of all disks of a host, so that each can be judged together with the others.
public struct HostSurvey: Sendable {
    /// The host.
    public let host: Host
    /// All its block devices.
    public let tree: BlockTree
    /// Who uses them.
    public let use: DeviceUse
    /// What was found, by the kernel's name.
    public let inspections: [String: DiskInspection]

    private static let systemDirectories = [
        "/", "/boot", "/boot/efi", "/usr", "/var", "/var/lib", "/etc", "/home", "/nix", "/sysroot",
        "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/docker", "/var/lib/rancher", "/var/lib/etcd",
    ]

    /// How far a survey looks.
    public enum Reach: Sendable {
        /// The named devices, and the disks of named partitions.
        case named
        /// Also the host's other disks, if the named ones cannot be judged alone: a db does not know its cluster, and a
        /// volume group may be on several disks.
        case asNeeded
        /// At all disks of the host.
        case host
    }

    /// Inspects the host's disks and the given devices.
    ///
    /// - Parameters:
    ///   - host: The host.
    ///   - tree: All its block devices.
    ///   - names: Devices to look at by the kernel's name.
    ///   - reach: What else to look at.
    /// - Returns: What was found.
    public static func take(
        _ host: Host,
        _ tree: BlockTree,
        including names: Set<String> = [],
        reach: Reach = .host
    ) -> HostSurvey {
        let use = host.use()
        // A partition is judged together with its disk's content.
        let names = names.union(names.compactMap { tree.nodes[$0]?.parent })
        func inspect(_ isWanted: (BlockNode) -> Bool) -> [String: DiskInspection] {
            let nodes = tree.nodes.values.filter(isWanted).sorted { $0.name < $1.name }
            let jobs = nodes.map { node in
                { @Sendable () -> DiskInspection in host.inspect(node, in: tree, use: use) }
            }
            let found = Threads.run(limit: 16, jobs)
            return Dictionary(found.map { ($0.node.name, $0) }, uniquingKeysWith: { first, _ in first })
        }
        var inspections = inspect { names.contains($0.name) || reach == .host && isDisk($0) }
        if reach == .asNeeded, inspections.values.contains(where: needsOthers) {
            inspections.merge(inspect { !names.contains($0.name) && isDisk($0) }) { first, _ in first }
        }
        return HostSurvey(host: host, tree: tree, use: use, inspections: inspections)
    }

    /// Whether other disks are needed to know what a device holds.
    private static func needsOthers(_ inspection: DiskInspection) -> Bool {
        (inspection.contents?.regions ?? []).contains { region in
            region.owners.contains { $0.clusterID == nil }
                || region.physicalVolume?.group?.physicalVolumes.count ?? 1 > 1
        }
    }

    /// Loop devices are inspected only if they are named: the server of the file behind one may be dead.
    private static func isDisk(_ node: BlockNode) -> Bool {
        let strange = ["loop", "ram", "zram", "sr", "fd", "nbd", "rbd", "md", "dm-", "bcache"]
        return node.sizeBytes > 0 && !node.isPartition && !strange.contains { node.name.startsExactly(with: $0) }
    }

    /// Owners by OSD UUID, from the labels and tags of main devices.
    public var mainDevices: [String: OSDOwner] {
        let owners = inspections.values.compactMap(\.contents).flatMap(\.regions).flatMap(\.owners)
        let pairs = owners.filter { $0.clusterID != nil }.compactMap { owner in owner.osdUUID.map { ($0, owner) } }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }

    /// Directories of the system by the devices that carry them, and by the disks below those.
    public var systemDevices: [String: String] {
        var found: [String: String] = [:]
        for directory in Self.systemDirectories {
            let places = use.mounts.filter { $0.mountPoint == directory && ($0.process == nil || $0.process == 1) }
            for place in places {
                guard
                    let node = tree.nodes.values.first(where: { node in
                        node.device == place.device || node.path == place.source
                            || node.mapping.map { "/dev/mapper/\($0.name)" == place.source } ?? false
                    })
                else { continue }
                for name in [node.name] + tree.disks(below: node.name).map(\.name) where found[name] == nil {
                    found[name] = directory
                }
            }
        }
        return found
    }

    /// A planner that knows all of this.
    ///
    /// - Parameters:
    ///   - options: What was named, and the method.
    ///   - together: The devices that are erased together.
    ///   - running: What of OSDs runs on the host.
    /// - Returns: The planner.
    public func planner(
        _ options: ZapOptions,
        together: Set<String> = [],
        running: RunningOSDs = RunningOSDs()
    ) -> ZapPlanner {
        let disks = Set(together.map { tree.nodes[$0]?.parent ?? $0 })
        let labelled = inspections.values.filter { $0.contents?.regions.first?.blueStore?.copies[0] != nil }
        return ZapPlanner(
            tree: tree,
            options: options,
            mainDevices: mainDevices,
            systemDevices: systemDevices,
            labelledDisks: Set(labelled.map(\.node.name)),
            together: disks.union(disks.flatMap { tree.otherPaths(of: $0).map(\.name) }),
            named: disks,
            physicalVolumes: physicalVolumes,
            running: running
        )
    }

    /// The disks by the ids of the physical volumes on them.
    private var physicalVolumes: [String: String] {
        let pairs = inspections.values.flatMap { inspection in
            (inspection.contents?.regions ?? []).compactMap(\.physicalVolume).map {
                ($0.id, inspection.node.parent ?? inspection.node.name)
            }
        }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }

    /// The plan for a device that was looked at; `nil` for one that was not.
    ///
    /// - Parameters:
    ///   - path: How it was named.
    ///   - name: The kernel's name for it.
    ///   - options: What was named, and the method.
    ///   - together: The devices that are erased together.
    ///   - running: What of OSDs runs on the host.
    /// - Returns: The plan.
    public func plan(
        _ path: String,
        _ name: String,
        _ options: ZapOptions,
        together: Set<String> = [],
        running: RunningOSDs
    ) -> ZapPlan? {
        guard let inspection = inspections[name] else { return nil }
        let planner = planner(options, together: together.union([name]), running: running)
        return planner.plan(path, inspection, begun: begun(on: inspection)) {
            Writers(host: host, use: use).refusals(tree.ways(to: name))
        }
    }

    /// An unfinished zap of a disk, compared with what is on it now; `nil` if there was none.
    func begun(on inspection: DiskInspection) -> BegunZap? {
        let size = inspection.identity.sizeBytes
        guard let contents = inspection.contents,
            contents.regions.first?.signatures.contains(where: { $0.format == "nacre_zap" }) ?? false,
            let place = ZapMarkerRecord.place(onDeviceOf: size),
            let reader = try? DiskReader(path: "\(host.dev)/\(inspection.node.name)"),
            let record = ZapMarkerRecord(
                block: reader.bytes(at: place.offset, count: Int(place.length)),
                sizeBytes: size
            )
        else { return nil }
        return BegunZap(record, on: inspection.identity, contents, reader)
    }
}

/// A path that a person gave, and its device.
public struct NamedDevice: Sendable {
    /// As given.
    public let path: String
    /// The device.
    public let node: BlockNode

    private static let remedy = "nacre-disk list shows the devices that there are"

    /// Resolves a path once; later changes of the path have no effect.
    ///
    /// - Parameters:
    ///   - path: A device node or a link to one.
    ///   - tree: All block devices.
    /// - Throws: ``Refusal`` if it does not exist, is a file, or is a device that sysfs does not know.
    public init(_ path: String, in tree: BlockTree) throws(Refusal) {
        self.path = path
        let device: DeviceNumber
        do throws(KernelError) {
            device = try DevicePath.blockDevice(path)
        } catch {
            if error.isNotFound { throw Refusal(.notABlockDevice, "there is no '\(path)'", remedy: Self.remedy) }
            guard error.errnoName == "ENOTBLK" else {
                throw Refusal(.notABlockDevice, "cannot look at \(error)", remedy: Self.remedy)
            }
            guard case .file? = try? FileKind.of(path) else {
                throw Refusal(.notABlockDevice, "'\(path)' is not a block device", remedy: Self.remedy)
            }
            throw Refusal(
                .notABlockDevice,
                "'\(path)' is not a block device but a file",
                remedy: "make one of it with losetup -f --show if it is the image of a disk"
            )
        }
        guard let node = tree.node(of: device) else {
            throw Refusal(.notABlockDevice, "'\(path)' (\(device)) is not in sysfs", remedy: "is it still attached?")
        }
        self.node = node
    }
}

extension Refusal: Error {}
