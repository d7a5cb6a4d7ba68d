internal import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// Removes the pod's path; succeeds if nothing of the volume is there.
    ///
    /// | at the path | what is done |
    /// | --- | --- |
    /// | the volume, by its record | it is unmounted |
    /// | nothing: its directories were replaced, the mount is elsewhere | it is unmounted there if its number proves it, else refused |
    /// | the volume, hidden by a mount over a directory above it | refused |
    /// | the volume, by its device, where its record is lost, or is younger and the path is a pod's | it is unmounted |
    /// | anything else that is mounted | refused, also when it is another volume's or the volume's staging path |
    /// | an empty directory or file that was the volume's target | it is removed |
    /// | any other empty directory or file | it stays |
    public func unpublish(
        volumeID: String,
        targetPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        guard targetPath.startsExactly(with: "/") else {
            throw .invalid("target path '\(targetPath.printable)' is not an absolute path")
        }
        let given = Self.lexical(targetPath)
        // Where it led when it was published counts for what is recorded, not where it leads now, or whether it does.
        let led: Result<String, VolumeError>
        do throws(VolumeError) {
            led = .success(try await canonical(targetPath, "target path"))
        } catch {
            led = .failure(error)
        }
        try await operations.run(
            "unpublish volume '\(volumeID.printable)'",
            on: volumeID,
            fingerprint: "unpublish \(given) \((try? led.get()) ?? "")",
            deadline: deadline,
            obstacle: { await self.obstacle(try? VolumeID(parsing: volumeID)) }
        ) { () throws(VolumeError) in
            let known = try await self.record(of: volumeID)
            let resolved = try? led.get()
            guard var record = known, let target = Self.target(given, leadingTo: resolved, of: record) else {
                // The caller's pod has nothing here: what the path leads to is another pod's.
                if let resolved, !Self.isOnePod(given, resolved),
                    known?.targets.contains(where: { $0.isCalled(resolved) }) == true
                {
                    return
                }
                return try await self.unpublishUnrecorded(volumeID, try led.get())
            }
            let (path, own) = (target.path, await self.ownMount(record, target.device))
            let what = "unpublish volume '\(volumeID.printable)'"
            if try await self.mountTable().mount(at: path) == nil {
                try await self.takeDownMoved(target, of: record, what)
            }
            try await self.takeDown(path, what, step: .unmountingTarget, of: volumeID) { own.matches($0, $1) }
            enter(NodeStep.removingTarget, path)
            try await self.removeTarget(path, what, isRecorded: true)
            enter(NodeStep.forgettingTarget, path)
            record.targets.removeAll { $0.path.isExactly(path) }
            try await self.save(record)
        }
    }

    /// Removes the empty directory or file of a target; succeeds if it does not exist.
    ///
    /// - Parameters:
    ///   - path: Where.
    ///   - what: What it is done for, for errors.
    ///   - isRecorded: Whether the path is one of a record: a link or a file in place of a directory above it is somebody's
    ///     later deed, and what was made is not there any more.
    /// - Throws: `VolumeError` with `.failedPrecondition` when somebody has used the path.
    func removeTarget(_ path: String, _ what: String, isRecorded: Bool = false) async throws(VolumeError) {
        let failure: KernelError
        do throws(KernelError) {
            return try await pool.run { () throws(KernelError) in try MountPlace(path).removeEmpty() }
        } catch {
            failure = error
        }
        guard failure.errno != .noSuchFileOrDirectory else { return }
        let isReplaced = [.tooManySymbolicLinkLevels, .notDirectory].contains(failure.errno)
        guard !isRecorded || !isReplaced || failure.call != "openat" else { return }
        let left: String
        switch failure.errno {
        case .directoryNotEmpty: left = "has files in it"
        // `removeEmpty` refuses what no publish has made.
        case .notPermitted where failure.call == "unlink": left = "is no empty directory or file"
        default: throw Self.placeError(failure, path, what)
        }
        throw VolumeError(
            .failedPrecondition,
            "cannot \(what): nothing is mounted at '\(path.printable)' any more, but somebody has used the path: it "
                + "\(left); look at that and remove it"
        )
    }

    /// At a path without a record, only what the kernel identifies as the volume's is removed.
    ///
    /// A record can be lost, and a file system that stays mounted keeps the volume from all other nodes.
    private func unpublishUnrecorded(_ volumeID: String, _ path: String) async throws(VolumeError) {
        guard try await mountTable().mount(at: path) != nil else { return }
        let what = "unpublish volume '\(volumeID.printable)'"
        let records = records
        let all = try await kernel("read the records of volumes") { () throws(KernelError) in try records.all() }
        let hasStaging = all.first { $0.stagedMount.isExactly(path) || $0.stagingPath.isExactly(path) }
        // kubelet's own name for it, and ours.
        guard hasStaging == nil, !path.endsExactly(with: "/globalmount"), !path.endsExactly(with: "/staging") else {
            throw VolumeError(
                .failedPrecondition,
                "cannot \(what): '\(path.printable)' is the staging path of volume "
                    + "'\(hasStaging?.volumeID ?? volumeID.printable)'; unstage it, once it is not published any more"
            )
        }
        if let other = all.first(where: { $0.targets.contains { $0.path.isExactly(path) } }) {
            throw VolumeError(
                .failedPrecondition,
                "cannot \(what): '\(path.printable)' has volume '\(other.volumeID)'; name that one"
            )
        }
        // A record of a stage names all that was published, unless it was lost, and written anew by another stage since.
        if all.contains(where: { $0.isStaged && $0.volumeID.isExactly(volumeID) }), !Self.isPodPath(path) {
            throw VolumeError(
                .failedPrecondition,
                "cannot \(what): nothing was published at '\(path.printable)'; what is mounted there was mounted by something "
                    + "else, and was left alone; end it by what mounted it, or umount"
            )
        }
        let image = (try? VolumeID(parsing: volumeID)).map { address(of: $0) }
        let mapper = mapper
        let devices = try await mapping { (_) throws(MappingError) in try mapper.devices(of: image) }
        try await takeDown(path, what, step: .unmountingTarget, of: volumeID) { mount, kind in
            if case .blockDevice(let device)? = kind { return devices.contains(device) }
            return mount.root == "/" && devices.contains(mount.device)
        }
        enter(NodeStep.removingTarget, path)
        try await removeTarget(path, what)
    }

    /// The target that a caller means: the one that was published as this path, whichever target the path leads to by now.
    private static func target(
        _ given: String,
        leadingTo resolved: String?,
        of record: VolumeRecord
    ) -> VolumeRecord.Target? {
        let called = record.targets.filter { $0.isCalled(given) }
        // One path can have been published twice, when a link in it led elsewhere.
        if let one = called.first(where: { resolved?.isExactly($0.path) == true }) ?? called.first { return one }
        guard let resolved, isOnePod(given, resolved) else { return nil }
        return record.targets.first { $0.path.isExactly(resolved) }
    }

    /// Whether both paths can be of one pod: kubelet's root can be a link, but what it names below that is its own.
    private static func isOnePod(_ given: String, _ resolved: String) -> Bool {
        guard let one = podPart(given), let other = podPart(resolved) else { return true }
        return one == other
    }

    /// A pod's path from `pods` or `volumeDevices` on.
    private static func podPart(_ path: String) -> [ExactText]? {
        let parts = path.parts(at: "/")
        return podIndex(parts).map { parts[$0...].map(ExactText.init) }
    }

    /// Whether kubelet gives such a path to a pod.
    ///
    /// `…/pods/UID/volumes/PLUGIN/NAME`, `…/plugins/kubernetes.io/csi/volumeDevices/publish/NAME/UID`.
    static func isPodPath(_ path: String) -> Bool {
        podIndex(path.parts(at: "/")) != nil
    }

    private static func podIndex(_ parts: [String]) -> Int? {
        parts.indices.first { index in
            let rest = parts[index...]
            return rest.count >= 5 && parts[index] == "pods" && ["volumes", "volumeDevices"].contains(parts[index + 2])
                || rest.count >= 4 && parts[index] == "volumeDevices" && parts[index + 1] == "publish"
        }
    }
}
