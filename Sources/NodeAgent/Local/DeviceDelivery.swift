import ExactText
import KubernetesAPI
import LinuxKernel
import Logging
import NodeVolumes
import Provisioner
import ServiceProcess
import Synchronization
import Volumes

/// Devices of `local` PersistentVolumes: raw block volumes.
///
/// A device goes when no pod wants it, and neither a mount nor a loop device of kubelet's has it.
final class DeviceDelivery: VolumeDelivery {
    private let service: NodeVolumeService
    private let secrets: any NodeSecrets
    private let events: EventRecorder
    private let directory: String
    private let stagingRoot: String
    private let logger: Logger
    /// The sizes of the devices that were looked at.
    private let grown = Mutex<[String: UInt64]>([:])

    /// kubelet lets go of a volume before its pod is gone from the API, but not when somebody forced that.
    let grace = Duration.seconds(20)

    init(
        service: NodeVolumeService,
        secrets: any NodeSecrets,
        events: EventRecorder,
        place: LocalDelivery.Place,
        logger: Logger
    ) {
        self.service = service
        self.secrets = secrets
        self.events = events
        directory = place.places.devices
        stagingRoot = place.stagingRoot
        self.logger = logger
    }

    func names() async throws(VolumeError) -> Set<String> {
        do throws(KernelError) {
            guard try FileKind.of(directory) != nil else { return [] }
            return Set(try KernelFile.names(in: directory))
        } catch {
            throw VolumeError(.internal, "cannot read '\(directory)': \(error)")
        }
    }

    /// Leaves the volume's device at its path, as large as its PersistentVolume says.
    func provide(
        _ volume: LocalVolume,
        for pods: [LocalPod],
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let capability = VolumeCapability(.block, mode: volume.mode)
        let id = try VolumeID(parsing: volume.attributes.handle)
        let staging = "\(stagingRoot)/\(id.directoryName)/globalmount"
        let isThere = try await service.knownVolumes()
            .contains {
                $0.volumeID.isExactly("\(id)") && $0.targets.containsExactly(volume.path) && isDevice(volume.path)
            }
        if !isThere {
            let credentials = try await secrets.credentials(volume.attributes.nodeSecret)
            try note(staging, of: volume.name)
            try await service.stage(
                StageRequest(
                    volumeID: "\(id)",
                    stagingPath: staging,
                    capability: capability,
                    credentials: credentials,
                    context: volume.attributes.others
                ),
                deadline: deadline
            )
            try await service.publish(
                PublishRequest(
                    volumeID: "\(id)",
                    stagingPath: staging,
                    targetPath: volume.path,
                    capability: capability,
                    isReadOnly: volume.mode.isReadOnly,
                    context: volume.attributes.others
                ),
                deadline: deadline
            )
            logger.info(
                "put a device where kubelet looks",
                metadata: ["path": "\(volume.path)", "csi.volume.id": "\(id)"]
            )
        }
        if isThere, let pod = pods.first {
            try await events.tellOfDamage(to: volume, at: volume.path, for: pod, service, deadline)
        }
        // Nobody tells of a growth: the controller grows the image and then the PersistentVolume says so.
        guard volume.capacityBytes > grown.withLock({ $0[volume.name] ?? 0 }) else { return }
        let size = try await service.expand(
            NodeExpandRequest(
                volumeID: "\(id)",
                volumePath: volume.path,
                stagingPath: staging,
                range: nil,
                capability: capability
            ),
            deadline: deadline
        )
        grown.withLock { $0[volume.name] = size }
    }

    func isInUse(_ name: String) async throws(VolumeError) -> Bool {
        try KubeletDevice.isInUse("\(directory)/\(name)/dev")
    }

    /// The directory goes last, so that a release that was cut short is found again.
    func release(_ name: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Bool {
        let path = "\(directory)/\(name)/dev"
        let staging = staged(name)
        let known = try await service.knownVolumes()
        if let volume = known.first(where: {
            $0.targets.containsExactly(path) || staging?.isExactly($0.stagingPath) == true
        }) {
            try await service.unpublish(volumeID: volume.volumeID, targetPath: path, deadline: deadline)
            try await service.unstage(volumeID: volume.volumeID, stagingPath: volume.stagingPath, deadline: deadline)
            try? KernelFile.removeDirectory(volume.stagingPath)
            try? KernelFile.removeDirectory(String(volume.stagingPath.dropLast("/globalmount".count)))
            logger.info("took a device away", metadata: ["path": "\(path)", "csi.volume.id": "\(volume.volumeID)"])
        }
        do throws(KernelError) {
            try KernelFile.remove("\(directory)/\(name)/staging")
            try KernelFile.removeDirectory("\(directory)/\(name)")
        } catch {
            throw VolumeError(.internal, "cannot remove '\(directory)/\(name)': \(error)")
        }
        grown.withLock { $0[name] = nil }
        return true
    }

    private func staged(_ name: String) -> String? {
        KernelFile.firstLine("\(directory)/\(name)/staging")
    }

    /// Notes where the volume of a path is staged: once it is unpublished, nothing else says so.
    private func note(_ staging: String, of name: String) throws(VolumeError) {
        let file = "\(directory)/\(name)/staging"
        do throws(KernelError) {
            try KernelFile.makeDirectories(staging)
            try KernelFile.makeDirectories("\(directory)/\(name)")
            guard KernelFile.firstLine(file)?.isExactly(staging) != true else { return }
            try KernelFile.replace(file, with: Array("\(staging)\n".utf8))
        } catch {
            throw VolumeError(.internal, "cannot prepare '\(directory)/\(name)': \(error)")
        }
    }

    private func isDevice(_ path: String) -> Bool {
        guard case .blockDevice? = try? FileKind.of(path) else { return false }
        return true
    }
}
