import ExactText
import KubernetesAPI
import LinuxKernel
import Logging
import NodeVolumes
import Provisioner
import ServiceLifecycle
import Synchronization
import VolumeServer
import Volumes

/// Puts the devices of `local` PersistentVolumes where kubelet looks for them, and takes them away when no pod of this node
/// has use for them.
///
/// kubelet calls nobody for these: it says that the path does not exist, and tries again after half a second, one, two, …
/// So the pods of this node are watched. A device goes when no pod wants it, and neither a mount nor a loop device of
/// kubelet's has it, twice in a row.
final class LocalDelivery: Service {
    private let service: NodeVolumeService
    private let secrets: any NodeSecrets
    private let events: EventRecorder
    private let place: Place
    private let loop: Liveness.Loop
    private let logger: Logger
    private let pods: ObjectCache<LocalPod>
    private let reflector: Reflector<LocalPod>
    private let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let claims: PodClaims
    private let idleSince = Mutex<[String: ContinuousClock.Instant]>([:])
    /// Volumes that are worked on, and whether there was something else to do with them meanwhile.
    private let busy = Mutex<[String: Bool]>([:])
    /// The sizes of the devices that were looked at.
    private let grown = Mutex<[String: UInt64]>([:])

    /// Which node this is, and where its things are.
    struct Place: Sendable {
        let nodeName: String
        let driverName: String
        /// Where kubelet looks.
        let directory: String
        let stagingRoot: String
    }

    /// Sizes are looked at and what is unused is found this often.
    private static let interval = Duration.seconds(10)
    /// kubelet lets go of a volume before its pod is gone from the API, but not when somebody forced that.
    private static let grace = Duration.seconds(20)
    private static let limit = Duration.seconds(100)

    init(
        client: KubernetesClient,
        service: NodeVolumeService,
        secrets: any NodeSecrets,
        events: EventRecorder,
        place: Place,
        loop: Liveness.Loop,
        logger: Logger
    ) {
        self.loop = loop
        self.service = service
        self.secrets = secrets
        self.events = events
        self.place = place
        self.logger = logger
        let pods = ObjectCache<LocalPod>()
        self.pods = pods
        // One waiting wake-up is as good as many.
        let (wakeups, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.wakeups = wakeups
        reflector = Reflector(
            client,
            "/api/v1/pods",
            query: [("fieldSelector", "spec.nodeName=\(place.nodeName)")],
            cache: pods,
            onFailure: { logger.warning("cannot watch the pods of this node", metadata: ["reason": "\($0)"]) },
            onUnreadable: { logger.error("a pod cannot be read and is passed over", metadata: ["reason": "\($0)"]) },
            onChange: { _ in wake.yield() }
        )
        self.wake = wake
        claims = PodClaims(client: client, driverName: place.driverName, directory: place.directory)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup { group in
                group.addTask { await self.reflector.run() }
                group.addTask { await self.events.run() }
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: Self.interval)
                        self.wake.yield()
                    }
                }
                group.addTask {
                    // One volume that cannot be had, or cannot be let go, must not hold up the others.
                    await withDiscardingTaskGroup { work in
                        for await _ in self.wakeups {
                            self.loop.goesOn()
                            guard self.pods.isSynced else { continue }
                            for step in await self.steps() { work.addTask { await step() } }
                        }
                    }
                }
                for await _ in group {}
            }
        }
        loop.rests()
    }

    /// What is to be done now: to make what pods want, to take away what none has use for; what is under way is left to it.
    private func steps() async -> [@Sendable () async -> Void] {
        let (wanted, isWhole) = await wanted()
        var steps = wanted.values.filter { begin($0.volume.name) }.map { volume, pod -> @Sendable () async -> Void in
            { [self] in
                await provide(volume, for: pod)
                end(volume.name)
            }
        }
        // Without knowing all that is wanted nothing goes.
        guard isWhole else { return steps }
        do throws(VolumeError) {
            let kept = Set(wanted.keys)
            for name in try directories() where !kept.contains(name) && begin(name) {
                steps.append { [self] in
                    await releaseIfIdle(name)
                    end(name)
                }
            }
            idleSince.withLock { idle in idle = idle.filter { !kept.contains($0.key) } }
        } catch {
            logger.warning("cannot see which devices are there", metadata: ["reason": "\(error.message)"])
        }
        return steps
    }

    /// Whether a volume can be worked on now: one at a time does.
    private func begin(_ name: String) -> Bool {
        busy.withLock { busy in
            guard busy[name] != nil else {
                busy[name] = false
                return true
            }
            busy[name] = true
            return false
        }
    }

    /// What was asked for meanwhile is looked at again.
    private func end(_ name: String) {
        if busy.withLock({ $0.removeValue(forKey: name) }) ?? false { wake.yield() }
    }

    /// The volumes of the pods that run here, by name, each with a pod that wants it, and whether these are all.
    private func wanted() async -> (volumes: [String: (volume: LocalVolume, pod: LocalPod)], isWhole: Bool) {
        var wanted: [String: (volume: LocalVolume, pod: LocalPod)] = [:]
        var isWhole = reflector.isComplete
        let running = pods.filter { !$0.isFinished && !$0.claims.isEmpty }
        claims.forgetAll(but: Set(running.map(\.metadata.uid)))
        for pod in running {
            for claim in pod.claims {
                // With an API server that is away each takes its time.
                loop.goesOn()
                do throws(KubernetesError) {
                    guard let volume = try await claims.volume(of: claim, of: pod) else { continue }
                    wanted[volume.name] = (volume, pod)
                } catch {
                    isWhole = false
                    logger.warning(
                        "cannot see which volume a pod's claim has",
                        metadata: [
                            "k8s.pod": "\(pod.metadata.key)", "k8s.claim": "\(claim.name)", "reason": "\(error)",
                        ]
                    )
                }
            }
        }
        return (wanted, isWhole)
    }

    /// Leaves the volume's device at its path, as large as its PersistentVolume says.
    private func provide(_ volume: LocalVolume, for pod: LocalPod) async {
        let deadline = ContinuousClock.now + Self.limit
        let capability = VolumeCapability(.block, mode: volume.mode)
        do throws(VolumeError) {
            let id = try VolumeID(parsing: volume.attributes.handle)
            let staging = "\(place.stagingRoot)/\(LocalUses.name(of: id))/globalmount"
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
            if isThere { try await tellOfDamage(volume, for: pod, deadline) }
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
        } catch {
            logger.warning(
                "cannot deliver a volume",
                metadata: ["k8s.volume": "\(volume.name)", "reason": "\(error.message)"]
            )
            // kubelet can only say that the path is not there.
            events.record(
                .warning,
                "FailedMount",
                "volume \(volume.name) cannot be mapped on this node: \(error.message)",
                on: ObjectReference(kind: "Pod", pod.metadata)
            )
        }
    }

    /// Nothing else would say that a raw device fails: kubelet asks for no condition of a `local` volume.
    private func tellOfDamage(
        _ volume: LocalVolume,
        for pod: LocalPod,
        _ deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let stats = try await service.stats(
            StatsRequest(volumeID: volume.attributes.handle, volumePath: volume.path, stagingPath: ""),
            deadline: deadline
        )
        guard stats.condition.isAbnormal else { return }
        events.record(
            .warning,
            "VolumeConditionAbnormal",
            "volume \(volume.name): \(stats.condition.message)",
            on: ObjectReference(kind: "Pod", pod.metadata)
        )
    }

    /// Takes away a device that no pod wants, once nobody has had it for a while.
    private func releaseIfIdle(_ name: String) async {
        let path = "\(place.directory)/\(name)/dev"
        do throws(VolumeError) {
            guard try !DeviceUse.isInUse(path) else {
                idleSince.withLock { $0[name] = nil }
                return
            }
            let since = idleSince.withLock { idle in
                let since = idle[name] ?? .now
                idle[name] = since
                return since
            }
            guard .now - since > Self.grace else { return }
            try await release(name, path)
            idleSince.withLock { $0[name] = nil }
            grown.withLock { $0[name] = nil }
        } catch {
            logger.warning(
                "cannot take a device away",
                metadata: ["k8s.volume": "\(name)", "path": "\(path)", "reason": "\(error.message)"]
            )
        }
    }

    /// The directory goes last, so that a release that was cut short is found again.
    private func release(_ name: String, _ path: String) async throws(VolumeError) {
        let deadline = ContinuousClock.now + Self.limit
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
            try KernelFile.remove("\(place.directory)/\(name)/staging")
            try KernelFile.removeDirectory("\(place.directory)/\(name)")
        } catch {
            throw VolumeError(.internal, "cannot remove '\(place.directory)/\(name)': \(error)")
        }
    }

    private func directories() throws(VolumeError) -> [String] {
        do throws(KernelError) {
            guard try FileKind.of(place.directory) != nil else { return [] }
            return try KernelFile.names(in: place.directory)
        } catch {
            throw VolumeError(.internal, "cannot read '\(place.directory)': \(error)")
        }
    }

    private func staged(_ name: String) -> String? {
        KernelFile.firstLine("\(place.directory)/\(name)/staging")
    }

    /// Notes where the volume of a path is staged: once it is unpublished, nothing else says so.
    private func note(_ staging: String, of name: String) throws(VolumeError) {
        let file = "\(place.directory)/\(name)/staging"
        do throws(KernelError) {
            try KernelFile.makeDirectories(staging)
            try KernelFile.makeDirectories("\(place.directory)/\(name)")
            guard KernelFile.firstLine(file)?.isExactly(staging) != true else { return }
            try KernelFile.replace(file, with: Array("\(staging)\n".utf8))
        } catch {
            throw VolumeError(.internal, "cannot prepare '\(place.directory)/\(name)': \(error)")
        }
    }

    private func isDevice(_ path: String) -> Bool {
        guard case .blockDevice? = try? FileKind.of(path) else { return false }
        return true
    }
}
