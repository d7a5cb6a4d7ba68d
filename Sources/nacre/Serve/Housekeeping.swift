import CephVolumes
import LinuxKernel
import ServiceLifecycle
import VolumeServer
import Volumes

/// What has to be done now and then: closing idle connections, trying blocked images again, looking into the trash.
struct Housekeeping: Service {
    let stack: ControllerStack
    let trash: TrashRounds
    let loop: Liveness.Loop

    private static let interval = Duration.seconds(10)
    private static let trimInterval = Duration.seconds(2)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var isStarting = true
            while !Task.isCancelled {
                stack.connections.releaseIdle()
                stack.purger.wake()
                // Each for itself: one that is away must not keep the others waiting.
                for cluster in stack.configuration.clusters { trash.look(into: cluster.clusterID) }
                await trimMemory(for: Self.interval)
                // A third of the program's pages was there for its start alone.
                if isStarting { ProcessControl.releaseFilePages() }
                isStarting = false
            }
        }
        loop.rests()
        await stack.purger.stop()
    }

    /// Waits; meanwhile what librbd freed after a burst goes back to the kernel: a tenth of a millisecond each time.
    private func trimMemory(for duration: Duration) async {
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end, !Task.isCancelled {
            loop.goesOn()
            if stack.operations.idle != nil { ProcessControl.trimMalloc() }
            try? await Task.sleep(for: Self.trimInterval)
        }
    }
}
