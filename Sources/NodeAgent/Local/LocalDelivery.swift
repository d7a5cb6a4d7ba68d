import Blocking
import ExactText
import KubernetesAPI
import Logging
import NodeVolumes
import Provisioner
import ServiceLifecycle
import ServiceProcess
import Synchronization
import VolumeServer
import Volumes

/// Leaves `local` PersistentVolumes where kubelet looks for them, and takes them away when no pod of this node has use for
/// them.
///
/// kubelet calls nobody for these: it looks at the path. There it waits for a mounted directory (`GateProcess`); for a device
/// it tries again after half a second, one, two, … So the pods of this node are watched. A volume goes when no pod wants it,
/// and nothing of kubelet's has it, for a while.
final class LocalDelivery: Service {
    /// A volume that pods want.
    private struct Wish {
        var volume: LocalVolume
        var pods: [LocalPod]
    }

    private typealias Key = DeliveryTurns.Key

    private let events: EventRecorder
    private let devices: any VolumeDelivery
    private let directories: any VolumeDelivery
    private let gate: GateProcess
    private let gatePool = BlockingPool(threads: 1)
    private let loop: Liveness.Loop
    private let logger: Logger
    private let pods: ObjectCache<LocalPod>
    private let reflector: Reflector<LocalPod>
    private let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let claims: ClaimedVolumes
    private let idleSince = Mutex<[Key: ContinuousClock.Instant]>([:])
    private let turns: DeliveryTurns

    /// Which node this is, and where its things are.
    struct Place: Sendable {
        let nodeName: String
        let driverName: String
        /// Where kubelet looks.
        let places: LocalVolume.Places
        let stagingRoot: String
    }

    /// Sizes are looked at and what is unused is found this often.
    private static let interval = Duration.seconds(10)
    /// A gate that could not be had is tried again so soon.
    private static let gateWait = Duration.seconds(300)
    /// A claim that is not bound yet, or not made, is looked at again so soon.
    private static let claimWait = Duration.seconds(2)
    /// kubelet lets go of a volume some time after its pod is gone from the API, where somebody forced that.
    private static let useWait = Duration.seconds(1)
    private static let limit = Duration.seconds(100)

    init(
        client: KubernetesClient,
        service: NodeVolumeService,
        secrets: any NodeSecrets,
        events: EventRecorder,
        place: Place,
        loop: Liveness.Loop,
        observer: StepObserver?,
        logger: Logger
    ) {
        gate = GateProcess(path: place.places.directories, places: place.places.mounts)
        self.loop = loop
        self.events = events
        self.logger = logger
        devices = DeviceDelivery(service: service, secrets: secrets, events: events, place: place, logger: logger)
        directories = DirectoryDelivery(
            client: client,
            service: service,
            secrets: secrets,
            events: events,
            place: place,
            observer: observer,
            logger: logger
        )
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
        turns = DeliveryTurns(mostWait: Self.interval, wake: { wake.yield() })
        claims = ClaimedVolumes(client: client, driverName: place.driverName, places: place.places)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup { group in
                group.addTask {
                    while !Task.isCancelled {
                        let wait = await self.attendGate()
                        try? await Task.sleep(for: wait)
                    }
                }
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

    /// Sees to it that kubelet waits where it looks; returns how soon to look again.
    private func attendGate() async -> Duration {
        do throws(VolumeError) {
            let isNew = try await gatePool.run { () throws(VolumeError) in try self.gate.attend() }
            if isNew { logger.info("kubelet waits for volumes", metadata: ["path": "\(gate.path)"]) }
            return Self.interval
        } catch {
            logger.warning(
                "pods start later: kubelet has to try again for each volume",
                metadata: ["reason": "\(error.message)"]
            )
            return Self.gateWait
        }
    }

    /// What is to be done now: to make what pods want, to take away what none has use for; what is under way is left to it.
    private func steps() async -> [@Sendable () async -> Void] {
        let (wanted, isWhole, isWaiting) = await wanted()
        var steps = wanted.values.filter { turns.mayProvide($0.volume.name) }.map {
            wish -> @Sendable () async -> Void in
            { [self] in
                let wait = await provide(wish.volume, for: wish.pods)
                turns.end(wish.volume.name)
                await turns.wakeAfter(wait, .provision(wish.volume.name))
            }
        }
        if isWaiting { steps.append { [self] in await turns.wakeAfter(Self.claimWait, .claims) } }
        // Without knowing all that is wanted nothing goes.
        guard isWhole else { return steps }
        let kept = Set(wanted.keys)
        for (isDirectory, delivery) in [(true, directories), (false, devices)] {
            do throws(VolumeError) {
                for name in try await delivery.names() {
                    let key = Key(name: name, isDirectory: isDirectory)
                    guard !kept.contains(key), turns.begin(name) else { continue }
                    steps.append { [self] in
                        let wait = await releaseIfIdle(key, delivery)
                        turns.end(name)
                        await turns.wakeAfter(wait, .release(key))
                    }
                }
            } catch {
                logger.warning("cannot see which volumes are there", metadata: ["reason": "\(error.message)"])
            }
        }
        idleSince.withLock { idle in idle = idle.filter { !kept.contains($0.key) } }
        turns.forgetWaits(but: Set(kept.map(\.name)))
        return steps
    }

    /// The volumes of the pods that run here, whether these are all, and whether a claim has no volume yet.
    private func wanted() async -> (volumes: [Key: Wish], isWhole: Bool, isWaiting: Bool) {
        var wanted: [Key: Wish] = [:]
        var isWhole = reflector.isComplete
        var isWaiting = false
        let running = pods.filter { !$0.isFinished && !$0.claims.isEmpty }
        claims.forgetAll(but: Set(running.map(\.metadata.uid)))
        for pod in running {
            for claim in pod.claims {
                // With an API server that is away each takes its time.
                loop.goesOn()
                do throws(KubernetesError) {
                    switch try await claims.volume(of: claim, of: pod) {
                    case .none: isWaiting = true
                    case .notOurs: continue
                    case .ours(let volume):
                        let key = Key(name: volume.name, isDirectory: volume.form != .device)
                        wanted[key, default: Wish(volume: volume, pods: [])].pods.append(pod)
                    }
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
        return (wanted, isWhole, isWaiting)
    }

    /// Returns how soon to try again, if it failed.
    private func provide(_ volume: LocalVolume, for pods: [LocalPod]) async -> Duration? {
        do throws(VolumeError) {
            let delivery = volume.form == .device ? devices : directories
            try await delivery.provide(volume, for: pods, deadline: .now + Self.limit)
            turns.succeed(volume.name)
            return nil
        } catch {
            logger.warning(
                "cannot deliver a volume",
                metadata: ["k8s.volume": "\(volume.name)", "reason": "\(error.message)"]
            )
            // kubelet can only say that the path is not there.
            for pod in pods {
                events.record(
                    .warning,
                    "FailedMount",
                    "volume \(volume.name) on this node: \(error.message)",
                    on: ObjectReference(kind: "Pod", pod.metadata)
                )
            }
            return turns.fail(volume.name)
        }
    }

    /// Takes away a volume that no pod wants, once nobody has had it for a while; returns how soon to look again.
    private func releaseIfIdle(_ key: Key, _ delivery: any VolumeDelivery) async -> Duration? {
        do throws(VolumeError) {
            guard try await !delivery.isInUse(key.name) else {
                idleSince.withLock { $0[key] = nil }
                return Self.useWait
            }
            let since = idleSince.withLock { idle in
                let since = idle[key] ?? .now
                idle[key] = since
                return since
            }
            let rest = delivery.grace - (.now - since)
            guard rest <= .zero else { return rest }
            _ = try await delivery.release(key.name, deadline: .now + Self.limit)
            idleSince.withLock { $0[key] = nil }
        } catch {
            logger.warning(
                "cannot take a volume away",
                metadata: ["k8s.volume": "\(key.name)", "reason": "\(error.message)"]
            )
        }
        return nil
    }
}
