internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
internal import SystemPackage
public import Volumes

extension NodeVolumeService {
    /// Unmounts the staging path and unmaps the image; succeeds if neither is there.
    public func unstage(
        volumeID: String,
        stagingPath: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let path = try await canonical(stagingPath, "staging path")
        // What cannot be read was never staged here.
        guard let id = try? VolumeID(parsing: volumeID) else { return }
        try await operations.run(
            "unstage volume '\(id)'",
            on: volumeID,
            fingerprint: "unstage \(path)",
            deadline: deadline,
            obstacle: { await self.obstacle(id) }
        ) { () throws(VolumeError) in
            try await self.unstage(id, path, given: Self.lexical(stagingPath))
            self.remember(nil, of: id)
        }
    }

    private func unstage(_ id: VolumeID, _ path: String, given: String) async throws(VolumeError) {
        let address = address(of: id)
        let mapper = mapper
        if let record = try await record(of: "\(id)") {
            // Where it led when it was staged counts, not where it leads now.
            guard record.stagingPath.isExactly(path) || record.stagingPath.isExactly(given) else {
                throw VolumeError(
                    .failedPrecondition,
                    "volume '\(id)' is in use on this node by way of '\(record.stagingPath)', not of '\(path.printable)'; end that use where it began"
                )
            }
            let table = try await mountTable()
            var published: [String] = []
            for target in record.targets {
                if let place = try await whereabouts(target, of: record, in: table).place(target) {
                    published.append(place)
                }
            }
            guard published.isEmpty else {
                throw VolumeError(
                    .failedPrecondition,
                    "volume '\(id)' is still mounted at \(published.map { "'\($0)'" }.joined(separator: ", ")); "
                        + "unmount it there first"
                )
            }
            let own = await ownMount(record, record.device)
            if table.mount(at: record.stagedMount) == nil {
                try await refuseMountedElsewhere(record, "unstage volume '\(id)'")
            }
            try await takeDown(record.stagedMount, "unstage volume '\(id)'", step: .unmountingStage, of: "\(id)") {
                own.matches($0, $1)
            }
            if record.usage.isBlock {
                try await removeTarget(record.stagedDevice, "unstage volume '\(id)'")
                try await refuseShown(id)
            }
        } else {
            try await takeDownUnrecorded(id, path)
        }
        // The volume can be unstaged although its cluster is not configured any more.
        let monitors = (try? clusters(id).monitors) ?? []
        try await mapping { (observer) throws(MappingError) in
            try mapper.unmap(address, monitors: monitors, observer: observer)
        }
        enter(NodeStep.forgettingVolume, "\(id)")
        let records = records
        try await kernel("forget volume '\(id)'") { () throws(KernelError) in try records.remove("\(id)") }
    }

    /// Throws if a path still shows the device of a block volume, recorded or not.
    ///
    /// For the kernel that makes nobody a holder, so it unmaps the image, and the path then shows the next volume that gets
    /// the device's number.
    private func refuseShown(_ id: VolumeID) async throws(VolumeError) {
        let (image, mapper) = (address(of: id), mapper)
        let places = try await mapping { (_) throws(MappingError) in try OwnMount.placesShowing(image, mapper) }
        guard !places.isEmpty else { return }
        throw VolumeError(
            .failedPrecondition,
            "cannot unstage volume '\(id)': its device is still shown at "
                + places.prefix(8).map { "'\($0.printable)'" }.joined(separator: ", ")
                + "; end its use there: umount \(places.prefix(8).map(\.shellWord).joined(separator: " ")); then repeat the call"
        )
    }

    /// Takes away what the kernel itself says is the volume's, where no record tells: records can be lost, and what stays
    /// mounted keeps the volume from all other nodes.
    private func takeDownUnrecorded(_ id: VolumeID, _ path: String) async throws(VolumeError) {
        let (image, mapper) = (address(of: id), mapper)
        let devices = try await mapping { (_) throws(MappingError) in try mapper.devices(of: image) }
        guard !devices.isEmpty else { return }
        let device = VolumeRecord.stagedDevice(at: path)
        let what = "unstage volume '\(id)'"
        let published = try await kernel("look for where volume '\(id)' is published") { () throws(KernelError) in
            try OwnMount.placesShowing(devices).filter { !$0.isExactly(device) }
        }
        guard published.isEmpty else {
            throw VolumeError(
                .failedPrecondition,
                "cannot \(what): it is still mounted at \(published.map { "'\($0)'" }.joined(separator: ", ")); "
                    + "unmount it there first"
            )
        }
        try await takeDown(path, what, step: .unmountingStage, of: "\(id)") { mount, _ in
            mount.root == "/" && devices.contains(mount.device)
        }
        guard try await mountTable().mount(at: device) != nil else { return }
        try await takeDown(device, what, step: .unmountingStage, of: "\(id)") { _, kind in
            if case .blockDevice(let found)? = kind { devices.contains(found) } else { false }
        }
        try await removeTarget(device, what)
    }
}
