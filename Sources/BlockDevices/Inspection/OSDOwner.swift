/// Whose data a region holds.
public struct OSDOwner: Sendable, Hashable {
    /// How we know.
    public enum Evidence: String, Sendable, Hashable {
        /// A BlueStore label.
        case label
        /// Tags of a logical volume.
        case tags = "LV tags"
        /// The subsystem field of LUKS2, where Rook notes the cluster.
        case luks = "LUKS2 subsystem"
        /// The type or name of a partition.
        case partitionType = "partition type"
        /// Another device's label with the same OSD.
        case sibling = "the OSD's main device"
    }

    /// The cluster's fsid, in lower case; `nil` if it is not known.
    public var clusterID: String?
    /// The OSD's number.
    public var osdID: Int?
    /// The OSD's UUID.
    public var osdUUID: String?
    /// `block`, `db`, `wal`, `data`, `journal`, `encrypted`.
    public var role: String
    /// How we know.
    public var evidence: Evidence
}

extension Region {
    /// Everything that this region says about its owner; if it names several clusters, it contradicts itself.
    public var owners: [OSDOwner] {
        var found: [OSDOwner] = []
        if let label = blueStore?.current {
            found.append(
                OSDOwner(
                    clusterID: label.clusterID.flatMap { $0.uuidOrEmpty.nonEmpty },
                    osdID: label.osdID,
                    osdUUID: label.osdUUID.nonEmpty,
                    role: label.role == "main" ? "block" : label.role.replacing("bluefs ", with: ""),
                    evidence: .label
                )
            )
        } else if let blueFS = blueStore?.blueFS {
            found.append(OSDOwner(osdUUID: blueFS.osdUUID, role: "db", evidence: .label))
        }
        if let tags = logicalVolume?.tags, let type = tags["ceph.type"] {
            found.append(
                OSDOwner(
                    clusterID: tags["ceph.cluster_fsid"]?.uuidOrEmpty.nonEmpty,
                    osdID: tags["ceph.osd_id"].flatMap { Int($0) },
                    osdUUID: tags["ceph.osd_fsid"]?.uuidOrEmpty.nonEmpty,
                    role: type,
                    evidence: .tags
                )
            )
        }
        if let cluster = luks?.clusterID?.uuidOrEmpty.nonEmpty {
            found.append(OSDOwner(clusterID: cluster, role: "encrypted", evidence: .luks))
        }
        if found.isEmpty, let type = partition.flatMap(Self.cephType), !isUnused {
            found.append(OSDOwner(role: String(type.name.dropFirst(5)), evidence: .partitionType))
        }
        return found
    }

    /// What of Ceph's a partition is for, as its type says, or as `nacre-disk prepare` named it.
    private static func cephType(_ entry: GPTEntry) -> PartitionType? {
        PartitionType.prepared(entry) ?? PartitionType.of(entry.type).flatMap { $0.isCeph ? $0 : nil }
    }

    /// Whether it is a partition that was prepared for an OSD and not used: its type and name are those of `nacre-disk
    /// prepare`, it has no mark and no label, and its ends and samples between them are zeros.
    ///
    /// An OSD writes its label first; the samples detect one whose beginning was wiped.
    public var isUnused: Bool {
        guard let partition, PartitionType.prepared(partition) != nil else { return false }
        return signatures.isEmpty && blueStore == nil && hasBlankSamples
    }
}

extension String {
    var nonEmpty: String? { isEmpty ? nil : self }
}
