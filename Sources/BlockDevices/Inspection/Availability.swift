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
        /// What neither of them checks, or not every release, and what disturbs a new OSD or is other data: label copies, a
        /// BlueFS super block, a realtime device of XFS, a mark whose checksum is wrong, a table without the kernel's
        /// partitions, data of an unknown kind, a running ceph-osd.
        case leftover
    }

    /// Who would not take it.
    public let judge: Judge
    /// Their word for it, where they have one.
    public let reason: String
    /// The first release of Ceph whose ceph-volume says so; `nil` if that of Ceph 16 does.
    public let since: Int?

    init(judge: Judge, reason: String, since: Int? = nil) {
        (self.judge, self.reason, self.since) = (judge, reason, since)
    }

    /// For people: `ceph-volume of Ceph 20: Is being replaced`.
    public var text: String { "\(judge.rawValue)\(since.map { " of Ceph \($0)" } ?? ""): \(reason)" }
}

extension DiskInspection {
    /// Why an OSD could not take this device; empty if it could.
    public var rejections: [Rejection] {
        cephVolumeReasons.map { Rejection(judge: .cephVolume, reason: $0) } + cephVolume20Reasons
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

    private var hasLabel: Bool { device?.blueStore?.copies[0] != nil }
    /// blkid calls it a GPT only behind an MBR.
    private var hasTable: Bool { contents?.gpt?.current != nil && contents?.mbr != nil }

    /// What ceph-volume of 16.2.15, 18.2.7 and 20.2.4 says; a test compares.
    ///
    /// See: ceph-volume util/device.py, `_check_generic_reject_reasons` and the two methods after it.
    private var cephVolumeReasons: [String] {
        var reasons: [String] = []
        if node.hardware.isUSB { reasons.append("id_bus") }
        if node.isReadOnly { reasons.append("read-only") }
        if node.sizeBytes < 5_368_709_120 { reasons.append("Insufficient space (<5GB)") }
        if node.isLoop || node.mapping.map({ !Self.isAcceptable($0.uuid) }) ?? false {
            reasons.append("Device type is not acceptable. It should be raw device or partition")
        }
        if isOfCephDisk { reasons.append("Used by ceph-disk") }
        if contents == nil { reasons.append("Failed to determine if device is BlueStore") }
        if hasLabel { reasons.append("Has BlueStore device label") }
        if disk?.labels.contains(0) ?? false { reasons.append("Parent has BlueStore device label") }
        if hasTable { reasons.append("Has GPT headers") }
        if kernelPartitions > 0 { reasons.append("Has partitions") }
        if !blkidTypes.isEmpty { reasons.append("Has a FileSystem") }
        // A physical volume in no group is a file system to it, and no more.
        if let group = device?.physicalVolume?.group {
            reasons.append("LVM detected")
            if group.freeExtents <= 10 { reasons.append("Insufficient space (<10 extents) on vgs") }
        }
        return reasons
    }

    /// What only the later ones say: 20.2.4 looks for all copies of a label, and for the mark of a replacement.
    private var cephVolume20Reasons: [Rejection] {
        func since20(_ reason: String) -> Rejection { Rejection(judge: .cephVolume, reason: reason, since: 20) }
        var found: [Rejection] = []
        if !hasLabel, !(device?.blueStore?.copies.isEmpty ?? true) {
            found.append(since20("Has BlueStore device label"))
        }
        if let labels = disk?.labels, !labels.isEmpty, !labels.contains(0) {
            found.append(since20("Parent has BlueStore device label"))
        }
        if device?.signatures.contains(where: { $0.format == "ceph_replacement" }) ?? false {
            found.append(since20("Is being replaced"))
        }
        return found
    }

    /// Multipath, and logical volumes: 16 and 18 refuse those in an inventory, and no release does for an OSD.
    private static func isAcceptable(_ uuid: String) -> Bool {
        uuid.startsExactly(with: "mpath-") || uuid.startsExactly(with: "LVM-")
    }

    /// Whether it is one of ceph-disk's partitions, or has one that the kernel shows.
    private var isOfCephDisk: Bool {
        if node.isPartition { return disk?.entry.map(PartitionType.isOfCephDisk) ?? false }
        let numbers = Set(tree.filter { $0.parent == node.name }.compactMap(\.partitionNumber))
        return (contents?.regions ?? []).contains { region in
            guard case .partition(let number) = region.kind, numbers.contains(number) else { return false }
            return region.partition.map(PartitionType.isOfCephDisk) ?? false
        }
    }

    /// What Rook says itself; it asks ceph-volume, too.
    ///
    /// See: rook pkg/clusterd/disk.go, `DiscoverDevices`, and pkg/daemon/ceph/osd/daemon.go, `getAvailableDevices`.
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
        // It reads the disk's UUID by sgdisk, which ends with 2 there.
        if !node.isPartition, contents?.mbr == nil, isOnlyBackup {
            reasons.append("failed to get device info: sgdisk --print fails where only the backup GPT is left")
        }
        return reasons
    }

    private var isOnlyBackup: Bool { contents?.gpt.map { $0.primary.header == nil && $0.backup.isValid } ?? false }

    private var leftovers: [String] {
        var found = (device?.signatures ?? []).compactMap(leftover)
        if isLocked { found.append("a running program has locked it, as a ceph-osd does") }
        if let device, device.hasOnlyTables, let offset = device.strayOffset {
            found.append("data of an unknown kind at byte \(offset)")
        }
        return found
    }

    private func leftover(_ signature: FoundSignature) -> String? {
        let place = "at byte \(signature.mark.offset)"
        switch signature.format {
        case "ceph_bluestore_copy": return "a copy of a BlueStore label \(place)"
        case "ceph_bluefs": return "a BlueFS super block \(place)"
        case "lvm2_metadata": return "metadata of LVM \(place)"
        case "nacre_zap": return "a zap that did not finish"
        case "xfs_realtime": return "the label of an XFS realtime device, which blkid does not know"
        case "amiga", "loop": return "a disk label (\(signature.format)), which blkid does not know"
        case let format where signature.mark.note == Format.Mark.wrongChecksum:
            return "a mark of \(format) \(place), which blkid passes over: its checksum is wrong"
        case "gpt" where contents?.gpt?.primary.header == nil: return "a backup GPT \(place)"
        case "gpt" where !hasTable: return "a GPT \(place), which blkid passes over: it has no protective MBR"
        case let format
        where format != "gpt" && signature.usage == .partitionTable && !hasTable && kernelPartitions == 0:
            return "a partition table (\(format)) of which the kernel shows no partition"
        default: return nil
        }
    }
}
