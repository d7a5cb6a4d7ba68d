import ExactText
import LinuxKernel
import Logging
import NodeVolumes
import Secrets
import ServiceProcess
import Volumes

/// Implements kubelet's FlexVolume calls with the node service.
///
/// | kubelet | the node service |
/// | --- | --- |
/// | mount | stage, once for a node and volume; publish, for each pod |
/// | unmount | unpublish; unstage after the last |
/// | expandfs | grow the image, which no other component does; then device and file system |
///
/// kubelet has no time limit, so a call ends after `limit` and says what it waits for. The operation continues, and
/// kubelet's next try joins it.
struct FlexDriver: Sendable {
    /// Below the driver program's limit.
    static let limit = Duration.seconds(100)
    /// Shorter, so that the slow step can still be reported.
    private static let innerLimit = Duration.seconds(90)
    /// Longer than kubelet's interval between two tries.
    static let patience = Duration.seconds(300)

    let service: NodeVolumeService
    /// Grows images.
    let images: any ControllerService
    let secrets: any NodeSecrets
    /// Where volumes are staged: a directory that kubelet and this process both see.
    let stagingRoot: String
    let logger: Logger
    private let operations = Operations()

    init(
        service: NodeVolumeService,
        images: any ControllerService,
        secrets: any NodeSecrets,
        stagingRoot: String,
        logger: Logger
    ) {
        self.service = service
        self.images = images
        self.secrets = secrets
        self.stagingRoot = stagingRoot
        self.logger = logger
    }

    /// Answers a call, whatever it says.
    func answer(_ arguments: [String]) async -> FlexAnswer {
        do throws(VolumeError) {
            try await perform(FlexCall(arguments))
            return .success
        } catch {
            logger.warning(
                "a call of kubelet's failed",
                metadata: [
                    "call": "\(arguments.first ?? "")", "error.code": "\(error.code)", "reason": "\(error.message)",
                ]
            )
            return FlexAnswer(error)
        }
    }

    private func perform(_ call: FlexCall) async throws(VolumeError) {
        switch call {
        case .mount(let directory, let options): try await mount(directory, options)
        case .unmount(let directory): try await unmount(directory)
        case .expand(let options, let path, let bytes): try await expand(options, path, bytes)
        case .ping: return
        }
    }

    private func mount(_ directory: String, _ options: FlexOptions) async throws(VolumeError) {
        try await run("mount volume '\(options.id)'", on: options.id, "mount \(directory) \(options)") {
            (deadline) throws(VolumeError) in
            let credentials = try await secrets.credentials(options.nodeSecret)
            let staging = try makeStagingPath(of: options.id)
            do throws(VolumeError) {
                try await service.stage(
                    StageRequest(
                        volumeID: options.id.description,
                        stagingPath: staging,
                        capability: options.capability,
                        credentials: credentials,
                        context: options.parameters
                    ),
                    deadline: deadline
                )
                try await service.publish(
                    PublishRequest(
                        volumeID: options.id.description,
                        stagingPath: staging,
                        targetPath: directory,
                        capability: options.capability,
                        isReadOnly: options.isReadOnly,
                        context: options.parameters
                    ),
                    deadline: deadline
                )
            } catch {
                try await release(options.id, after: error)
                throw error
            }
        }
    }

    /// kubelet does not unmount after a failed mount.
    ///
    /// So the remains of a failed call are removed here: at once, or if kubelet does not repeat the call for a long
    /// time.
    private func release(_ id: VolumeID, after error: VolumeError) async throws(VolumeError) {
        guard error.code == .deadlineExceeded || error.code == .aborted else {
            try? await unstageIfUnused(id.description, .now + Self.innerLimit)
            return
        }
        Task {
            try? await Task.sleep(for: Self.patience)
            await releaseIfUnused(id)
        }
    }

    private func unmount(_ givenDirectory: String) async throws(VolumeError) {
        // kubelet's root may be a symbolic link, and records have resolved paths. But what was published as the path counts
        // first: links in it may lead elsewhere by now.
        let directory = (try? KernelFile.canonical(givenDirectory)) ?? givenDirectory
        let known = try await service.knownVolumes()
        let volume =
            known.first { $0.isPublished(as: givenDirectory) } ?? known.first { $0.targets.containsExactly(directory) }
        guard let volume else {
            // There is no record, or it was lost: a mount of the volume must still be removed.
            try await service.unpublish(
                volumeID: "unknown at \(directory)",
                targetPath: directory,
                deadline: .now + Self.innerLimit
            )
            return
        }
        let id = try VolumeID(parsing: volume.volumeID)
        try await run("unmount volume '\(id)'", on: id, "unmount \(givenDirectory)") { (deadline) throws(VolumeError) in
            try await service.unpublish(volumeID: volume.volumeID, targetPath: givenDirectory, deadline: deadline)
            try await unstageIfUnused(volume.volumeID, deadline)
        }
    }

    private func expand(_ options: FlexOptions, _ path: String, _ bytes: UInt64) async throws(VolumeError) {
        try await run("expand volume '\(options.id)'", on: options.id, "expand \(path) \(bytes)") {
            (deadline) throws(VolumeError) in
            // The controller has usually grown the image already. The node's user can see that, so no other Secret is
            // needed.
            let credentials = try await secrets.credentials(options.nodeSecret ?? options.expandSecret)
            let range = try CapacityRange(requiredBytes: Int64(clamping: bytes), limitBytes: 0)
            _ = try await images.expandVolume(
                ExpandVolumeRequest(
                    volumeID: options.id.description,
                    range: range,
                    capability: options.capability,
                    credentials: credentials
                ),
                deadline: deadline
            )
            _ = try await service.expand(
                NodeExpandRequest(
                    volumeID: options.id.description,
                    volumePath: path,
                    stagingPath: stagingPath(of: options.id),
                    range: range,
                    capability: options.capability
                ),
                deadline: deadline
            )
        }
    }

    /// Releases, until the task is cancelled, the remains of unrepeated calls: volumes that are staged and not used by
    /// a pod at two checks in a row.
    func releaseAbandoned() async {
        var suspects: Set<ExactText> = []
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.patience)
            guard !Task.isCancelled, let known = try? await service.knownVolumes() else { continue }
            let unused = known.filter { isOurs($0) && $0.targets.isEmpty }
            for volume in unused where suspects.contains(ExactText(volume.volumeID)) {
                guard let id = try? VolumeID(parsing: volume.volumeID) else { continue }
                await releaseIfUnused(id)
            }
            suspects = Set(unused.map { ExactText($0.volumeID) })
        }
    }

    private func releaseIfUnused(_ id: VolumeID) async {
        do throws(VolumeError) {
            try await run("release volume '\(id)'", on: id, "release") { (deadline) throws(VolumeError) in
                try await unstageIfUnused(id.description, deadline)
            }
        } catch {
            logger.warning(
                "cannot release a volume",
                metadata: ["csi.volume.id": "\(id)", "reason": "\(error.message)"]
            )
        }
    }

    private func unstageIfUnused(_ volumeID: String, _ deadline: ContinuousClock.Instant) async throws(VolumeError) {
        let known = try await service.knownVolumes()
        guard let volume = known.first(where: { $0.volumeID.isExactly(volumeID) }) else {
            return removeStagingPath(stagingPath(of: try VolumeID(parsing: volumeID)))
        }
        guard volume.targets.isEmpty, isOurs(volume) else { return }
        try await service.unstage(volumeID: volumeID, stagingPath: volume.stagingPath, deadline: deadline)
        removeStagingPath(volume.stagingPath)
    }

    /// Whether a volume is staged for FlexVolume: those that `DirectoryDelivery` stages are below the same directory.
    private func isOurs(_ volume: KnownVolume) -> Bool {
        volume.stagingPath.isBelow(stagingRoot) && volume.stagingPath.endsExactly(with: "/globalmount")
    }

    /// Removes only an empty directory without a mount.
    private func removeStagingPath(_ path: String) {
        try? KernelFile.removeDirectory(path)
        try? KernelFile.removeDirectory(String(path.dropLast("/globalmount".count)))
    }

    /// One call for each volume at a time; a repeated call joins the first.
    private func run(
        _ title: String,
        on id: VolumeID,
        _ fingerprint: String,
        _ body: @escaping @Sendable (ContinuousClock.Instant) async throws(VolumeError) -> Void
    ) async throws(VolumeError) {
        try await operations.run(
            title,
            on: id.description,
            fingerprint: fingerprint,
            deadline: .now + Self.limit
        ) { () throws(VolumeError) in
            try await body(.now + Self.innerLimit)
        }
    }

    private func stagingPath(of id: VolumeID) -> String { "\(stagingRoot)/\(id.directoryName)/globalmount" }

    private func makeStagingPath(of id: VolumeID) throws(VolumeError) -> String {
        let path = stagingPath(of: id)
        do throws(KernelError) {
            try KernelFile.makeDirectories(path)
        } catch {
            throw VolumeError(.internal, "cannot make the staging path of volume '\(id)': \(error)")
        }
        return path
    }
}
