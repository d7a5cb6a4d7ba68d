import CephVolumes
import LinuxKernel
import Logging
import ServiceLifecycle
import Volumes

/// What has to be done now and then: closing idle connections, trying blocked images again, looking into the trash.
struct Housekeeping: Service {
    let stack: ControllerStack
    let logger: Logger

    private static let interval = Duration.seconds(10)
    private static let trimInterval = Duration.seconds(2)
    /// What a killed process sent may arrive after our first look, so there is a next one soon.
    private static let trashInterval = Duration.seconds(20)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var trashSeenAt: [String: ContinuousClock.Instant] = [:]
            var isStarting = true
            while !Task.isCancelled {
                stack.connections.releaseIdle()
                stack.purger.wake()
                for cluster in stack.configuration.clusters {
                    let last = trashSeenAt[cluster.clusterID]
                    guard last.map({ .now - $0 > Self.trashInterval }) ?? true else { continue }
                    if await adoptTrash(cluster.clusterID) { trashSeenAt[cluster.clusterID] = .now }
                }
                await trimMemory(for: Self.interval)
                // A third of the program's pages was there for its start alone.
                if isStarting { ProcessControl.releaseFilePages() }
                isStarting = false
            }
        }
        await stack.purger.stop()
    }

    /// Waits; meanwhile what librbd freed after a burst goes back to the kernel: a tenth of a millisecond each time.
    private func trimMemory(for duration: Duration) async {
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end, !Task.isCancelled {
            if stack.operations.idle != nil { ProcessControl.trimMalloc() }
            try? await Task.sleep(for: Self.trimInterval)
        }
    }

    /// Whether the trash could be looked into; a cluster that is away is tried again soon.
    private func adoptTrash(_ clusterID: String) async -> Bool {
        do throws(VolumeError) {
            let count = try await stack.store.adoptTrash(ofCluster: clusterID)
            if count > 0 {
                logger.info(
                    "found deleted volumes in the trash",
                    metadata: ["ceph.cluster": "\(clusterID)", "count": "\(count)"]
                )
            }
            return true
        } catch {
            // Without a user of its own the service cannot look; saying so every time would fill the log.
            guard error.code != .failedPrecondition else { return true }
            logger.warning(
                "cannot look into the trash",
                metadata: ["ceph.cluster": "\(clusterID)", "error.code": "\(error.code)", "reason": "\(error.message)"]
            )
            return false
        }
    }
}
