internal import BlockDevices
internal import ExactText
internal import LinuxKernel

/// What no flag lifts.
extension ZapPlanner {
    /// What the device is.
    func deviceRefusals(_ inspection: DiskInspection) -> [Refusal] {
        let node = inspection.node
        var refusals: [Refusal] = []
        if node.mapping != nil || node.raidLevel != nil || node.isBcache {
            let disks = tree.disks(below: node.name).map(\.name).joined(separator: ", ")
            refusals.append(
                Refusal(.mapping, "'\(node.name)' is made of other devices", remedy: "name the disk below it: \(disks)")
            )
        }
        if let directory = systemDevices[node.name] {
            refusals.append(Refusal(.system, "'\(node.name)' carries \(directory)", remedy: "it is never erased"))
        }
        if node.isReadOnly {
            refusals.append(
                Refusal(.readOnly, "'\(node.name)' is read-only", remedy: "make it writable (blockdev --setrw) first")
            )
        }
        if inspection.contents == nil {
            let why = inspection.failures.map(\.description).joined(separator: ", ")
            refusals.append(Refusal(.unreadable, "cannot read \(why)", remedy: "nobody knows what is on it"))
        }
        if node.queue.zoneModel == "host-managed" {
            refusals.append(
                Refusal(.zoned, "'\(node.name)' is host-managed zoned", remedy: "reset its zones with blkzone reset")
            )
        }
        if node.sizeBytes < 1 << 20 {
            refusals.append(
                Refusal(
                    .tooSmall,
                    "'\(node.name)' has \(node.sizeBytes) bytes",
                    remedy: "devices below 1 MiB are left alone"
                )
            )
        }
        if case .discard = options.method, node.queue.discardMaxBytes == 0 {
            refusals.append(
                Refusal(
                    .unsupportedMethod,
                    "'\(node.name)' cannot discard",
                    remedy: "use the method zero or signatures"
                )
            )
        }
        return refusals + phantomRefusals(node)
    }

    private func phantomRefusals(_ node: BlockNode) -> [Refusal] {
        guard let parent = node.parent, labelledDisks.contains(parent) else { return [] }
        return [
            Refusal(
                .phantomPartition,
                "'\(node.name)' is no partition: '\(parent)' holds a BlueStore label, and the kernel misreads its data",
                remedy: "name '\(parent)'"
            )
        ]
    }

    /// Who uses it.
    func useRefusals(_ inspection: DiskInspection) -> [Refusal] {
        var refusals = inspection.mounts.prefix(8).map { mount in
            let where_ = mount.process.map { " in the namespace of process \($0)" } ?? ""
            return Refusal(
                .mounted,
                "'\(mount.name)' is mounted at '\(mount.mountPoint)'\(where_)",
                remedy: "unmount it first"
            )
        }
        refusals += inspection.swaps.map {
            Refusal(.swap, "'\($0)' is swap space in use", remedy: "turn it off with swapoff first")
        }
        refusals += loopRefusals(inspection)
        if inspection.isLocked {
            refusals.append(
                Refusal(
                    .runningOSD,
                    "a running ceph-osd holds '\(inspection.node.name)'",
                    remedy: "stop the OSD and have the cluster forget it first"
                )
            )
        }
        return refusals
    }

    /// Loop devices on the same data: the kernel does not know the relation, so O_EXCL does not exclude them.
    private func loopRefusals(_ inspection: DiskInspection) -> [Refusal] {
        let root = inspection.node.parent ?? inspection.node.name
        let file = tree.nodes[root]?.backingFile
        let paths = Set(inspection.tree.map(\.path) + inspection.links)
        let others = tree.nodes.values.filter { node in
            guard node.name != root, node.parent == nil, let behind = node.backingFile else { return false }
            return behind == file || paths.contains(behind)
        }
        return others.sorted { $0.name < $1.name }.map {
            Refusal(
                .held,
                "the loop device '\($0.name)' leads to the same bytes (\($0.backingFile ?? ""))",
                remedy: "detach it with losetup -d first"
            )
        }
    }

    /// Running OSDs: their process has the device open, or their socket answers.
    func runningRefusals(_ inspection: DiskInspection, _ owners: [OSDOwner]) -> [Refusal] {
        (running.processes(on: inspection.tree) + running.sockets(of: owners)).map {
            Refusal(.runningOSD, $0, remedy: "stop the OSD and have the cluster forget it first")
        }
    }

    /// Volume groups that are also on disks of this host that are not erased.
    func groupRefusals(_ contents: DeviceContents) -> [Refusal] {
        contents.regions.compactMap(\.physicalVolume?.group).compactMap { group in
            let others = Set(group.physicalVolumes.values.compactMap { physicalVolumes[$0.id] }).subtracting(together)
            guard !others.isEmpty, group.physicalVolumes.count > 1 else { return nil }
            return Refusal(
                .spansDisks,
                "its volume group '\(group.name)' stands on \(others.sorted().joined(separator: ", ")), too",
                remedy: "name all its disks in one zap"
            )
        }
    }

    /// What stands on it.
    func stackRefusals(_ inspection: DiskInspection) -> [Refusal] {
        inspection.tree.dropFirst().filter { !$0.isPartition }.compactMap { holder in
            let name = holder.mapping?.name ?? holder.name
            if let level = holder.raidLevel {
                return Refusal(
                    .raidMember,
                    "it is a member of the software RAID '\(holder.name)' (\(level))",
                    remedy: "stop the array with mdadm --stop first"
                )
            }
            if holder.isBcache {
                return Refusal(.bcache, "the bcache device '\(holder.name)' stands on it", remedy: "stop it first")
            }
            guard let uuid = holder.mapping?.uuid else {
                return Refusal(.held, "'\(holder.name)' stands on it", remedy: "take that down first")
            }
            if uuid.startsExactly(with: "mpath-") {
                return Refusal(
                    .multipath,
                    "it is a path of the multipath device '\(name)'",
                    remedy: "flush it with multipath -f \(name) first, after its partitions"
                )
            }
            if uuid.contains("-mpath-") {
                let whole = holder.slaves.compactMap { tree.nodes[$0]?.mapping?.name }.first
                return Refusal(
                    .multipath,
                    "'\(name)' is a partition of a multipath device that it is a path of",
                    remedy: "remove it with kpartx -d /dev/mapper/\(whole ?? name) first"
                )
            }
            guard uuid.startsExactly(with: "LVM-") || uuid.startsExactly(with: "CRYPT-") else {
                return Refusal(
                    .held,
                    "the mapping '\(name)' stands on it",
                    remedy: "remove it with nacre-disk dm remove first"
                )
            }
            let root = inspection.node.parent ?? inspection.node.name
            let others = tree.disks(below: holder.name).map(\.name).filter { $0 != root && !together.contains($0) }
            guard others.isEmpty else {
                return Refusal(
                    .spansDisks,
                    "the mapping '\(name)' stands on \(others.joined(separator: ", ")), too",
                    remedy: "name all its disks in one zap, or take it down first"
                )
            }
            return nil
        }
    }
}
