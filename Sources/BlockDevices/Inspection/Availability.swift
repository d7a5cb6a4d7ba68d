internal import ExactText
internal import LinuxKernel

/// Why a device would not be taken for a new OSD.
public struct Rejection: Sendable, Hashable {
    /// Who would not take it.
    public enum Judge: String, Sendable, Hashable, CaseIterable {
        /// `ceph-volume inventory`.
        case cephVolume = "ceph-volume"
        /// Rook's choice of devices on a host.
        case rook
        /// Marks that neither of them checks but that disturb a new OSD, or are of other data: label copies, a BlueFS super
        /// block, a realtime device of XFS, a mark whose checksum is wrong.
        case leftover
    }

    /// Who would not take it.
    public let judge: Judge
    /// Their word for it, where they have one.
    public let reason: String
}

extension DiskInspection {
    /// Why an OSD could not take this device; empty if it could.
    public var rejections: [Rejection] {
        cephVolumeReasons.map { Rejection(judge: .cephVolume, reason: $0) }
            + rookReasons.map { Rejection(judge: .rook, reason: $0) }
            + leftovers.map { Rejection(judge: .leftover, reason: $0) }
    }

    private var device: Region? { contents?.regions.first }

    /// The device's TYPE according to blkid; formats that blkid does not know, and marks that it passes over, do not count.
    private var blkidTypes: [String] {
        let own = [
            "ceph_bluestore_copy", "ceph_bluefs", "ceph_replacement", "lvm2_metadata", "nacre_zap", "xfs_realtime",
        ]
        return (device?.signatures ?? []).filter {
            $0.usage != .partitionTable && !own.contains($0.format) && $0.mark.note != Format.Mark.wrongChecksum
        }
        .map(\.format)
    }

    private var kernelPartitions: Int { tree.filter { $0.parent == node.name }.count }

    /// See: ceph-volume util/device.py, `_check_generic_reject_reasons` and the two methods after it.
    private var cephVolumeReasons: [String] {
        var reasons: [String] = []
        let type = partitionType
        if node.hardware.isUSB { reasons.append("id_bus") }
        if node.isRemovable { reasons.append("removable") }
        if node.isReadOnly { reasons.append("read-only") }
        if !mounts.isEmpty || !swaps.isEmpty || isLocked { reasons.append("locked") }
        if node.sizeBytes < 5_368_709_120 { reasons.append("Insufficient space (<5GB)") }
        if node.isLoop || node.mapping.map({ !$0.uuid.startsExactly(with: "mpath-") }) ?? false {
            reasons.append("Device type is not acceptable. It should be raw device or partition")
        }
        if type?.isCeph ?? false { reasons.append("Used by ceph-disk") }
        if contents == nil { reasons.append("Failed to determine if device is BlueStore") }
        if device?.blueStore?.copies[0] != nil { reasons.append("Has BlueStore device label") }
        if contents?.gpt?.current != nil, contents?.mbr != nil { reasons.append("Has GPT headers") }
        if kernelPartitions > 0 { reasons.append("Has partitions") }
        if !blkidTypes.isEmpty { reasons.append("Has a FileSystem") }
        if let volume = device?.physicalVolume { reasons += lvmReasons(volume) }
        if device?.signatures.contains(where: { $0.format == "ceph_replacement" }) ?? false {
            reasons.append("Is being replaced")
        }
        return reasons
    }

    private func lvmReasons(_ volume: LVMPhysicalVolume) -> [String] {
        let isFull = volume.group.map { $0.freeExtents <= 10 } ?? false
        return ["LVM detected"] + (isFull ? ["Insufficient space (<10 extents) on vgs"] : [])
    }

    /// The type of an inspected partition; its table entry is on the disk, so only udev would know it.
    private var partitionType: PartitionType? { device?.partition.flatMap { PartitionType.of($0.type) } }

    /// See: rook pkg/operator/ceph/cluster/osd/config and pkg/daemon/ceph/osd/daemon.go, `getAvailableDevices`.
    private var rookReasons: [String] {
        var reasons: [String] = []
        if node.name.startsExactly(with: "rbd") { reasons.append("is an rbd device") }
        if node.isLoop { reasons.append("is a loop device") }
        if !node.isPartition, tree.count > 1 {
            reasons.append("has children: \(tree.dropFirst().map(\.name).joined(separator: ", "))")
        }
        if let mount = mounts.first { reasons.append("is mounted at \(mount.mountPoint)") }
        if let type = blkidTypes.first { reasons.append("has a filesystem: \(type)") }
        if let label = device?.blueStore?.copies[0] {
            reasons.append("detected an existing OSD. UUID=\(label.osdUUID)")
        }
        return reasons
    }

    private var leftovers: [String] {
        (device?.signatures ?? []).compactMap { signature in
            switch signature.format {
            case "ceph_bluestore_copy": "a copy of a BlueStore label at byte \(signature.mark.offset)"
            case "ceph_bluefs": "a BlueFS super block at byte \(signature.mark.offset)"
            case "lvm2_metadata": "metadata of LVM at byte \(signature.mark.offset)"
            case "nacre_zap": "a zap that did not finish"
            case "xfs_realtime": "the label of an XFS realtime device, which blkid does not know"
            case "amiga", "loop": "a disk label (\(signature.format)), which blkid does not know"
            case let format where signature.mark.note == Format.Mark.wrongChecksum:
                "a mark of \(format) at byte \(signature.mark.offset), which blkid passes over: its checksum is wrong"
            case "gpt" where contents?.gpt?.primary.header == nil: "a backup GPT at byte \(signature.mark.offset)"
            default: nil
            }
        }
    }
}
