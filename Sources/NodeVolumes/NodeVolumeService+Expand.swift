internal import BlockDevices
internal import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// Grows device and file system to the image's size and returns it in bytes.
    public func expand(
        _ request: NodeExpandRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> UInt64 {
        if let range = request.range, range.limitBytes != 0, range.limitBytes < range.requiredBytes {
            throw .invalid("the limit is below what is required")
        }
        let (id, path) = try await known(request.volumeID, request.volumePath)
        return try await operations.run(
            "expand volume '\(id)'",
            on: request.volumeID,
            fingerprint: "expand \(path) \(request.range?.requiredBytes ?? 0)",
            deadline: deadline,
            obstacle: { await self.obstacle(id) }
        ) { () throws(VolumeError) in
            try await self.expand(id, path, request.range?.requiredBytes ?? 0)
        }
    }

    private func expand(_ id: VolumeID, _ path: String, _ requiredBytes: UInt64) async throws(VolumeError) -> UInt64 {
        let record = try await knownRecord(id, path)
        let address = address(of: id)
        let mapper = mapper
        try await refuseAnother("expand volume '\(id)' here", id)
        let size = try await mapping { (observer) throws(MappingError) in
            try mapper.grow(address, toAtLeast: requiredBytes, observer: observer)
        }
        guard size >= requiredBytes else {
            if record.usage.isReadOnly {
                throw VolumeError(
                    .failedPrecondition,
                    "volume '\(id)' is \(record.usage.isBlock ? "mapped" : "mounted") read-only at '\(path)', "
                        + "\(NodeExpandRequest.keepsSize) \(size.inBinaryUnits) and nothing grows here; it grows when it is next "
                        + "\(record.usage.isBlock ? "mapped" : "mounted writable")"
                )
            }
            throw VolumeError(
                .failedPrecondition,
                "cannot grow volume '\(id)' to \(requiredBytes.inBinaryUnits) here: its image has "
                    + "\(size.inBinaryUnits); expand it on the controller first"
            )
        }
        guard !record.usage.isBlock, !record.usage.isReadOnly else { return size }
        guard let device = try await mapping({ (_) throws(MappingError) in try mapper.device(of: address) }) else {
            throw VolumeError(.failedPrecondition, "the device of volume '\(id)' is gone; stage it again")
        }
        // What is mounted there is asked to grow, whatever it is.
        guard let mount = try await mountTable().mount(at: record.stagingPath),
            OwnMount(record, device).matches(mount, nil)
        else {
            throw VolumeError(
                .failedPrecondition,
                "cannot grow the file system of volume '\(id)': \(try await whyNotOurs(record))"
            )
        }
        try await refuseGrowth(of: record, on: device.path, to: size)
        enter(NodeStep.growingFileSystem, record.stagingPath)
        do throws(KernelError) {
            try await pool.run { () throws(KernelError) in
                if record.usage.fileSystem == "xfs" {
                    try FileSystemControl.growXFS(at: record.stagingPath, toBytes: size)
                } else {
                    let present = try ExtSuperblock.sizeBytes(of: device.path)
                    guard ExtSuperblock.canGrow(from: present, to: size) else { return }
                    try FileSystemControl.growExt4(at: record.stagingPath, toBytes: size)
                }
            }
        } catch  where error.errno == .notPermitted && record.usage.fileSystem == "ext4" {
            throw VolumeError(
                .failedPrecondition,
                "image and device of volume '\(id)' have grown, its ext4 cannot while it is mounted: this host's root "
                    + "\(NodeExpandRequest.lackOfCapability) (\(error.call): \(error.errnoName)); \(Self.anew(record)), "
                    + "which grows it before mounting, or use xfs"
            )
        } catch {
            throw VolumeError(Self.code(of: error), "cannot grow the file system of volume '\(id)': \(error)")
        }
        return size
    }

    /// Why what is at the staging path of a file system is not the volume's device.
    private func whyNotOurs(_ record: VolumeRecord) async throws(VolumeError) -> String {
        let staging = record.stagingPath
        guard let mount = try await mountTable().mount(at: staging) else {
            return "nothing is mounted at its staging path '\(staging.printable)'; \(Self.anew(record))"
        }
        guard await ownMount(record, record.device).matches(mount, nil) else {
            return Self.anotherMount(mount, at: staging)
        }
        return "what is mounted at its staging path '\(staging.printable)' is on a dead device; \(Self.anew(record))"
    }

    /// What mounts a volume anew: a pod's path is kubelet's; others are of `nacre volume mount` or another caller of CSI.
    static func anew(_ record: VolumeRecord) -> String {
        record.targets.contains { isPodPath($0.path) }
            ? "restart its pod"
            : "end its use here and mount it again (nacre volume unmount and mount, if it was mounted by nacre volume mount)"
    }

    /// The volume with this handle on this node, and the requested path.
    ///
    /// An invalid handle and an impossible path are not found either: CSI has no other answer for a volume that is not
    /// here (NodeGetVolumeStats, NodeExpandVolume: NOT_FOUND).
    func known(_ handle: String, _ given: String) async throws(VolumeError) -> (VolumeID, String) {
        guard let id = try? VolumeID(parsing: handle), try await record(of: handle) != nil else {
            throw VolumeError(.notFound, "volume '\(handle.printable)' is not staged on this node")
        }
        do throws(VolumeError) {
            return (id, try await canonical(given, "volume path"))
        } catch {
            throw VolumeError(.notFound, "volume '\(id)' is not at '\(given.printable)' on this node: \(error.message)")
        }
    }

    /// Refuses an image that was grown beyond its file system's limit, because growing the file system would exhaust
    /// the kernel's memory.
    func refuseGrowth(of record: VolumeRecord, on device: String, to size: UInt64) async throws(VolumeError) {
        let volumeID = record.volumeID
        let limit = try await kernel("read the super block of volume '\(volumeID)'") { () throws(KernelError) in
            try GrowthLimit.limit(of: device)
        }
        guard let limit, !limit.allows(size) else { return }
        throw VolumeError(
            .outOfRange,
            "cannot grow the file system of volume '\(volumeID)' to its image's \(size.inBinaryUnits): \(limit.reason), so "
                + "\(limit.imageBytes.inBinaryUnits) are its limit; nothing was changed; if nothing was written "
                + "behind its end, shrink the image: rbd resize --allow-shrink --size "
                + "\(limit.imageBytes >> 20)M \(record.imageSpec.shellWord)"
        )
    }

    /// Refuses to make a file system on an image that is larger than the file system can be; the image is blank.
    func refuseMaking(_ record: VolumeRecord, on size: UInt64, _ mkfsOptions: String?) throws(VolumeError) {
        let fileSystem = record.usage.fileSystem
        let largest = try MkfsOptions(mkfsOptions ?? "", for: fileSystem, isMade: true).largestBytes
        guard size > largest else { return }
        let given = mkfsOptions.map { " with mkfsOptions '\($0.printable)'" } ?? ""
        throw VolumeError(
            .outOfRange,
            "cannot make a file system on volume '\(record.volumeID)': its image has \(size.inBinaryUnits), and "
                + "\(fileSystem)\(given) has at most \(largest.inBinaryUnits); nothing was written; the image is blank, so "
                + "shrink it: rbd resize --allow-shrink --size \(largest >> 20)M \(record.imageSpec.shellWord)"
        )
    }

    /// The record of a volume that is staged or published at `path`.
    func knownRecord(_ id: VolumeID, _ path: String) async throws(VolumeError) -> VolumeRecord {
        guard let record = try await record(of: "\(id)") else {
            throw VolumeError(.notFound, "volume '\(id)' is not staged on this node")
        }
        guard
            path.isExactly(record.stagingPath) || path.isExactly(record.stagedMount)
                || record.targets.contains(where: { $0.path.isExactly(path) })
        else {
            throw VolumeError(.notFound, "volume '\(id)' is not at '\(path.printable)' on this node")
        }
        return record
    }
}
