internal import Blocking
internal import ExactText
internal import ImageMapping
internal import ImageServing
internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// The usage and the condition of the volume at a path.
    public func stats(
        _ request: StatsRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumeStats {
        guard !request.volumePath.isEmpty else { throw .invalid("volume path is empty") }
        let (id, path) = try await known(request.volumeID, request.volumePath)
        // On a separate key, because a query must not wait for a long operation. The deadline limits the wait for a
        // server that hangs.
        return try await operations.run(
            "read the usage of volume '\(id)'",
            on: "stats \(request.volumeID) \(path)",
            fingerprint: "stats",
            deadline: deadline,
            obstacle: { await self.obstacle(id) }
        ) { () throws(VolumeError) in
            try await self.stats(id, path)
        }
    }

    private func stats(_ id: VolumeID, _ path: String) async throws(VolumeError) -> VolumeStats {
        let record = try await knownRecord(id, path)
        let place = path.isExactly(record.stagingPath) ? record.stagedMount : path
        guard let mount = try await mountTable().mount(at: place) else {
            throw VolumeError(.notFound, "volume '\(id)' is not mounted at '\(path.printable)'")
        }
        let address = address(of: id)
        let mapper = mapper
        let anew = Self.anew(record)
        guard let device = try await mapping({ (_) throws(MappingError) in try mapper.device(of: address) }) else {
            return Self.abnormal("the image server of the volume is gone: all its I/O fails; \(anew)")
        }
        let server = await pool.run { mapper.serverStatus(of: address) }
        if let stall = server?.stall { return Self.abnormal(stall) }
        if let failure = server?.failure {
            return Self.abnormal(
                "a write that was acknowledged could not be stored (\(KernelError.name(of: failure))): every flush fails "
                    + "since, and what was written last may be lost; \(anew), which maps the volume anew"
            )
        }
        // Only a server that answers is asked, for what it found last: a cluster that is away is no news here.
        let whereabouts = await pool.run {
            server?.statistics == nil ? nil : mapper.lastWhereabouts(of: address)
        }
        if let change = whereabouts?.change(of: address) {
            return Self.abnormal(
                "\(change); its users here write to the one in use; end them, so that it is unstaged"
            )
        }
        let noted =
            path.isExactly(record.stagingPath)
            ? record.device : record.targets.first { $0.path.isExactly(path) }?.device
        // What a file system on a dead device is cannot be told; the device's node of a block volume always can.
        var kind: FileKind?
        if record.usage.isBlock {
            do throws(VolumeError) {
                kind = try await self.kind(of: place)
            } catch {
                return Self.abnormal(
                    "whether the volume is mounted at '\(place.printable)' cannot be told: \(error.message)"
                )
            }
        }
        guard await ownMount(record, noted).matches(mount, kind) else {
            return Self.abnormal(
                Self.anotherMount(mount, at: place)
            )
        }
        let replaced = server?.replacements ?? 0
        let history = replaced == 0 ? "" : ", its server was replaced \(replaced) times"
        let healthy = VolumeCondition(
            isAbnormal: false,
            message: "mapped by \(device.mapper) at \(device.path)\(history)"
        )
        if record.usage.isBlock {
            let size = device.sizeBytes
            return VolumeStats(
                bytes: .init(available: 0, total: size, used: size),
                inodes: nil,
                condition: healthy
            )
        }
        guard mount.device == device.device else {
            return Self.abnormal("the mount at '\(path)' is on a dead device; \(anew)")
        }
        if mount.superOptions.contains(where: { $0 == "shutdown" || $0 == "emergency_ro" }) {
            return Self.abnormal("the file system has shut itself down after an I/O error; \(anew)")
        }
        if mount.superOptions.contains("ro"), !record.usage.isReadOnly {
            return Self.abnormal(
                "the file system has become read-only after an error; \(anew), which checks it"
            )
        }
        let errors = "/sys/fs/ext4/\(device.path.dropFirst("/dev/".count))/errors_count"
        if let count = KernelFile.firstLine(errors).flatMap(Int.init), count > 0 {
            return Self.abnormal("the file system has noted \(count) errors; \(anew), which checks it")
        }
        do throws(KernelError) {
            let usage = try await pool.run { () throws(KernelError) in try FileSystemUsage(of: place) }
            return VolumeStats(
                bytes: .init(
                    available: usage.availableBytes,
                    total: usage.totalBytes,
                    used: usage.totalBytes - usage.freeBytes
                ),
                inodes: .init(
                    available: usage.freeInodes,
                    total: usage.totalInodes,
                    used: usage.totalInodes - usage.freeInodes
                ),
                condition: healthy
            )
        } catch {
            return Self.abnormal("the file system cannot be read: \(error); \(anew)")
        }
    }

    /// What a person is told of a mount that is not the volume's.
    static func anotherMount(_ mount: MountTable.Mount, at place: String) -> String {
        "something else is mounted at '\(place.printable)' in place of the volume, \(mount.source.printable) "
            + "(\(mount.fileSystem)); end that by what mounted it, or umount \(place.shellWord)"
    }

    private static func abnormal(_ message: String) -> VolumeStats {
        VolumeStats(bytes: nil, inodes: nil, condition: VolumeCondition(isAbnormal: true, message: message))
    }
}
