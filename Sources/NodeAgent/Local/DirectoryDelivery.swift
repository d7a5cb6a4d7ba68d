import Blocking
import ExactText
import JSON
import KubernetesAPI
import LinuxKernel
import Logging
import NodeVolumes
import Provisioner
import ServiceProcess
import Synchronization
import Volumes

/// File systems of `local` PersistentVolumes: mounted directories, which kubelet binds into its pods.
///
/// The node service stages a volume: it maps, formats, checks, grows and mounts. Then its place appears (`DirectoryPlace`).
/// kubelet does the rest: owner group, read-only, subPath, usage.
///
/// | seen | done |
/// | --- | --- |
/// | a pod that was not seen before wants it | stage, grow, show |
/// | the place is not there, or shows another device than the staged | the same |
/// | the image has grown | device and file system grow; then the claim is told, for the controller |
/// | no pod wants it, and only the staged mount and the place's own have its super block | hide, unmount, unstage |
final class DirectoryDelivery: VolumeDelivery {
    private struct Shown {
        /// The pods for which it was staged.
        var pods: Set<String> = []
        var lookedAt = ContinuousClock.now
        /// The size that the claim was told.
        var toldBytes: UInt64 = 0
    }

    private let client: KubernetesClient
    private let service: NodeVolumeService
    private let secrets: any NodeSecrets
    private let events: EventRecorder
    private let places: LocalVolume.Places
    private let stagingRoot: String
    private let observer: StepObserver?
    private let logger: Logger
    private let pool = BlockingPool(threads: 4)
    private let shown = Mutex<[String: Shown]>([:])

    /// kubelet unmounts before a pod is gone from the API, and looks at the path once more after that.
    let grace = Duration.seconds(2)
    /// How often a volume in use is looked at, for damage and growth.
    private static let interval = Duration.seconds(9)

    init(
        client: KubernetesClient,
        service: NodeVolumeService,
        secrets: any NodeSecrets,
        events: EventRecorder,
        place: LocalDelivery.Place,
        observer: StepObserver?,
        logger: Logger
    ) {
        self.client = client
        self.service = service
        self.secrets = secrets
        self.events = events
        places = place.places
        // kubelet takes a mount for somebody else's unless its path contains that of the place (`HasMountRefs`).
        stagingRoot = "\(place.stagingRoot)\(place.places.directories)"
        self.observer = observer
        self.logger = logger
    }

    private func place(_ name: String) -> DirectoryPlace {
        DirectoryPlace(root: places.mounts, gate: places.directories, name: name)
    }

    /// Ends as the path for kubelet does.
    private func staging(_ name: String) -> String { DirectoryPlace.path(of: name, in: stagingRoot) }

    func names() async throws(VolumeError) -> Set<String> {
        let (root, stagingRoot) = (places.mounts, stagingRoot)
        return try await kernel("read '\(root)'") { () throws(KernelError) in
            try DirectoryPlace.names(in: root).union(DirectoryPlace.names(in: stagingRoot))
        }
    }

    func provide(
        _ volume: LocalVolume,
        for pods: [LocalPod],
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        guard case .directory(let access) = volume.form else { return }
        let capability = VolumeCapability(.mount(access), mode: volume.mode)
        let uids = Set(pods.map(\.metadata.uid))
        let known = shown.withLock { $0[volume.name] }
        let isStaged = try await isShown(volume.name)
        if isStaged, let known, uids.isSubset(of: known.pods) {
            guard .now - known.lookedAt > Self.interval, let pod = pods.first else { return }
            shown.withLock { $0[volume.name]?.lookedAt = .now }
            try await events.tellOfDamage(to: volume, at: staging(volume.name), for: pod, service, deadline)
            return try await tell(try await grow(volume, capability, deadline), volume)
        }
        let wasMounted = try await isMounted(volume.name)
        try await stage(volume, capability, deadline)
        // What is mounted only now is as large as its image; kubelet need not wait for a second look.
        var growth = wasMounted ? await self.growth(of: volume, capability, deadline) : nil
        let (place, staging, observer) = (place(volume.name), staging(volume.name), observer)
        let isNew = try await kernel("show volume '\(volume.name)' at '\(place.seenPath)'") { () throws(KernelError) in
            try place.show(staging) { observer?($0) }
        }
        shown.withLock { shown in
            var now = shown[volume.name] ?? Shown()
            now.pods = uids
            now.lookedAt = .now
            shown[volume.name] = now
        }
        if isNew {
            logger.info(
                "mounted a volume where kubelet looks",
                metadata: ["path": "\(place.seenPath)", "csi.volume.id": "\(volume.attributes.handle)"]
            )
        }
        if growth == nil { growth = await self.growth(of: volume, capability, deadline) }
        if let growth { try await tell(try growth.get(), volume) }
    }

    /// A pod gets what there is; what could not grow is told afterwards.
    private func growth(
        of volume: LocalVolume,
        _ capability: VolumeCapability,
        _ deadline: ContinuousClock.Instant
    ) async -> Result<UInt64, VolumeError> {
        do throws(VolumeError) {
            return .success(try await grow(volume, capability, deadline))
        } catch {
            return .failure(error)
        }
    }

    private func isMounted(_ name: String) async throws(VolumeError) -> Bool {
        let staging = staging(name)
        return try await kernel("read the mounts") { () throws(KernelError) in
            try MountTable.current().mount(at: staging) != nil
        }
    }

    private func stage(
        _ volume: LocalVolume,
        _ capability: VolumeCapability,
        _ deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let staging = staging(volume.name)
        let credentials = try await secrets.credentials(volume.attributes.nodeSecret)
        try await kernel("make the staging path of volume '\(volume.name)'") { () throws(KernelError) in
            try KernelFile.makeDirectories(staging)
        }
        try await service.stage(
            StageRequest(
                volumeID: volume.attributes.handle,
                stagingPath: staging,
                capability: capability,
                credentials: credentials,
                context: volume.attributes.others
            ),
            deadline: deadline
        )
    }

    /// Grows device and file system to the image's size, which it returns.
    private func grow(
        _ volume: LocalVolume,
        _ capability: VolumeCapability,
        _ deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> UInt64 {
        try await service.expand(
            NodeExpandRequest(
                volumeID: volume.attributes.handle,
                volumePath: staging(volume.name),
                stagingPath: staging(volume.name),
                range: nil,
                capability: capability
            ),
            deadline: deadline
        )
    }

    /// Tells the claim how large the file system is by now, so that the controller ends the growth.
    ///
    /// What is mounted read-only has not grown.
    private func tell(_ size: UInt64, _ volume: LocalVolume) async throws(VolumeError) {
        let told = shown.withLock { $0[volume.name]?.toldBytes ?? 0 }
        guard !volume.mode.isReadOnly, size > volume.capacityBytes, size > told, let claim = volume.claim else {
            return
        }
        do throws(KubernetesError) {
            try await GrowthMark.write(size, on: claim, client)
        } catch {
            throw VolumeError(
                .unavailable,
                "volume '\(volume.name)' has grown on this node, but its claim cannot be told so: \(error)"
            )
        }
        shown.withLock { $0[volume.name, default: Shown()].toldBytes = size }
        logger.info(
            "grew a file system",
            metadata: ["csi.volume.id": "\(volume.attributes.handle)", "size": "\(size)"]
        )
    }

    private func isShown(_ name: String) async throws(VolumeError) -> Bool {
        let (place, staging) = (place(name), staging(name))
        return try await kernel("read the mounts") { () throws(KernelError) in
            let table = try MountTable.current()
            guard let shown = place.mount(in: table), let staged = table.mount(at: staging) else { return false }
            return shown.device == staged.device
        }
    }

    func isInUse(_ name: String) async throws(VolumeError) -> Bool {
        let (place, staging) = (place(name), staging(name))
        return try await kernel("see who has volume '\(name)'") { () throws(KernelError) in
            try Self.users(of: place, staging)(.current())
        }
    }

    /// Whether a mount of the volume is not its own; its devices are read now, while they are mounted.
    private static func users(
        of place: DirectoryPlace,
        _ staging: String
    ) throws(KernelError) -> @Sendable (MountTable) -> Bool {
        let table = try MountTable.current()
        let devices = place.devices(in: table).union([table.mount(at: staging)?.device].compactMap { $0 })
        return { table in table.mounts.contains { devices.contains($0.device) && !place.isOwn($0) } }
    }

    func release(_ name: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Bool {
        let (place, staging, observer) = (place(name), staging(name), observer)
        shown.withLock { $0[name] = nil }
        let isGone = try await kernel("take away '\(place.seenPath)'") { () throws(KernelError) in
            try place.withdraw(unless: Self.users(of: place, staging)) { observer?($0) }
        }
        guard isGone else { return false }
        observer?(DeliveryStep.unstaging)
        let known = try await service.knownVolumes()
        if let volume = known.first(where: { $0.stagingPath.isExactly(staging) }) {
            try await service.unstage(volumeID: volume.volumeID, stagingPath: staging, deadline: deadline)
            logger.info(
                "unmounted a volume that no pod of this node has any more",
                metadata: ["path": "\(place.seenPath)", "csi.volume.id": "\(volume.volumeID)"]
            )
        }
        try await kernel("remove the staging path of volume '\(name)'") { () throws(KernelError) in
            try KernelFile.removeDirectory(staging)
            try KernelFile.removeDirectory(String(staging.dropLast("/volume".count)))
        }
        return true
    }

    private func kernel<R: Sendable>(
        _ what: String,
        _ body: @escaping @Sendable () throws(KernelError) -> R
    ) async throws(VolumeError) -> R {
        do throws(KernelError) {
            return try await pool.run(body)
        } catch {
            throw VolumeError(.internal, "cannot \(what): \(error)")
        }
    }
}
