internal import BlockDevices
internal import ExactText

/// What has to be named before it is lost.
extension ZapPlanner {
    /// OSDs: of clusters that were not named, of no known cluster, or of two at once.
    func ownerRefusals(_ contents: DeviceContents, _ begun: BegunZap? = nil) -> [Refusal] {
        contents.regions.flatMap { region -> [Refusal] in
            let owners = region.owners.map(resolved)
            let clusters = Set(owners.compactMap(\.clusterID))
            let osds = Set(owners.compactMap(\.osdUUID))
            if clusters.count > 1 || osds.count > 1 || region.blueStore?.disagree ?? false {
                let words = owners.map { "\($0.evidence.rawValue): \($0.clusterID ?? $0.osdUUID ?? "?")" }
                return [
                    Refusal(
                        .contradiction,
                        "the \(region.name) says two things about its owner (\(words.joined(separator: ", ")))",
                        remedy: "find out which is true, and erase the other by hand"
                    )
                ]
            }
            guard let owner = owners.first else { return [] }
            if let cluster = clusters.first {
                guard !options.clusters.contains(cluster) else { return [] }
                let osd = owner.osdID.map { "osd.\($0)" } ?? "an OSD"
                return [
                    Refusal(
                        .foreignCluster,
                        "the \(region.name) belongs to \(osd) of the cluster \(cluster)",
                        remedy: "name that cluster with --foreign-fsid, or with --fsid if it is yours"
                    )
                ]
            }
            return isBegun(region, in: contents, begun) ? [] : unknownRefusals(region, owner)
        }
    }

    private func unknownRefusals(_ region: Region, _ owner: OSDOwner) -> [Refusal] {
        let id = owner.osdUUID ?? region.partition?.unique.description.lowercased() ?? "unknown"
        guard !options.unknownOSDs.contains(id) else { return [] }
        return [
            Refusal(
                .unknownOSD,
                "the \(region.name) is the \(owner.role) of an OSD whose cluster is not known here (\(id))",
                remedy: "name it with --unknown-osd \(id)"
            )
        ]
    }

    /// Whether an unfinished zap began to erase this part, so that the information about its owner may be gone.
    ///
    /// The clusters in its marker must be named again. A name proves nothing alone: an OSD may have been made since in a
    /// partition with that UUID, and the disk may be a copy. So the marker must be this disk's, and what the part is judged
    /// by must be as it was when the zap began, or erased.
    private func isBegun(_ region: Region, in contents: DeviceContents, _ begun: BegunZap?) -> Bool {
        guard let begun, begun.isOfThisDisk, options.clusters.isSuperset(of: begun.record.clusters),
            !begun.isChanged(region)
        else { return false }
        // The marker is on the device itself; content outside of its parts had to be named.
        if case .device = region.kind, region.hasOnlyTables { return true }
        if case .freeSpace = region.kind, region.hasOnlyTables { return true }
        return !Set(ZapMarkerRecord.names(of: region, in: contents)).isDisjoint(with: begun.record.parts)
    }

    /// Everything that is not Ceph's.
    func contentRefusals(_ contents: DeviceContents, _ begun: BegunZap? = nil) -> [Refusal] {
        contents.regions.flatMap { region in
            var agreed = options.contents
            if isBegun(region, in: contents, begun) {
                agreed.formUnion(["LVM2_member", "lvm2_metadata", "partition", "unknown"])
            }
            return strangeContents(region).filter { !agreed.contains($0) }.map { format in
                Refusal(
                    .content,
                    "the \(region.name) \(Self.words(format, region))",
                    remedy: "name it with --content \(format) if it may be lost"
                )
            }
        }
    }

    private static func words(_ format: String, _ region: Region) -> String {
        switch format {
        case "unknown":
            "holds data of an unknown kind"
                + (region.strayOffset.flatMap(region.deviceOffset).map { " (at byte \($0) of the disk)" } ?? "")
        case "partition": "is not one of Ceph's"
        default: "holds \(format)"
        }
    }

    /// The content of a region that was not released by naming a cluster.
    ///
    /// A partition table only divides the region, so other content is checked as if there were no table.
    private func strangeContents(_ region: Region) -> [String] {
        let own: Set<String> = ["nacre_zap", "gpt", "PMBR", "dos"]
        var formats = region.signatures.filter { $0.usage != .ceph && !own.contains($0.format) }.map(\.format)
        let isCeph = !region.owners.isEmpty
        if isCeph {
            // An encrypted OSD is LUKS in a partition or volume of Ceph.
            let inside = ["crypto_LUKS"] + (mayHoldFileSystem(region) ? ["xfs", "ext4", "btrfs"] : [])
            let isLabelled = region.blueStore?.current != nil
            formats = formats.filter { !inside.containsExactly($0) || isLabelled && $0 != "crypto_LUKS" }
        }
        if let volume = region.physicalVolume, isCephGroup(volume) {
            formats = formats.filter { $0 != "LVM2_member" && $0 != "lvm2_metadata" }
        }
        if region.hasOnlyTables, !isCeph, !region.isUnused {
            // The data after a header belongs to the header's format: RAID stripes or encrypted data.
            if region.strayOffset != nil, !region.isDataArea {
                formats.append("unknown")
            } else if region.kind.isPartition {
                // It was created by somebody and may hold data in the middle.
                formats.append("partition")
            }
        }
        return formats.uniqued()
    }

    /// Whether a file system in this part can be an OSD's own: filestore's data, or the lockbox of ceph-disk.
    ///
    /// A partition of Linux' type is anybody's to make a file system in, whatever its name.
    private func mayHoldFileSystem(_ region: Region) -> Bool {
        if let entry = region.partition, !(PartitionType.of(entry.type)?.isCeph ?? false) { return false }
        return region.owners.contains { owner in
            ["data", "lockbox", "creation"].contains { owner.role.startsExactly(with: $0) }
        }
    }

    /// Whether every volume of the group is an OSD's; an empty group must at least have the name of one.
    private func isCephGroup(_ volume: LVMPhysicalVolume) -> Bool {
        guard let group = volume.group else { return false }
        guard !group.logicalVolumes.isEmpty else { return group.name.startsExactly(with: "ceph-") }
        // A member that is not on this host may come back: then the group must be named.
        let isHere =
            group.physicalVolumes.count == 1
            || group.physicalVolumes.values.allSatisfy { volume in
                physicalVolumes[volume.id].map(together.contains) ?? false
            }
        return group.logicalVolumes.allSatisfy { $0.tags["ceph.type"] != nil && $0.tags["ceph.cluster_fsid"] != nil }
            && isHere
    }
}
