internal import CephVolumes
internal import LinuxKernel
internal import ServiceLifecycle
package import VolumeServer
internal import Volumes

/// Periodic work: closes idle connections, retries blocked images, reads the trash.
package struct Housekeeping: Service {
    private let stack: ControllerStack
    private let trash: TrashRounds
    private let loop: Liveness.Loop

    private static let interval = Duration.seconds(10)
    private static let trimInterval = Duration.seconds(2)

    package init(stack: ControllerStack, trash: TrashRounds, loop: Liveness.Loop) {
        self.stack = stack
        self.trash = trash
        self.loop = loop
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var isStarting = true
            while !Task.isCancelled {
                stack.connections.releaseIdle()
                stack.flattener.releaseIdle()
                stack.purger.wake()
                let clusters = stack.configuration.clusters.map(\.clusterID)
                trash.look(into: clusters)
                stack.purger.keep(onlyOf: clusters)
                await trimMemory(for: Self.interval)
                // A third of the program's pages is needed only for its start.
                if isStarting { ProcessControl.releaseFilePages() }
                isStarting = false
            }
        }
        loop.rests()
        stack.flattener.stop()
        await stack.purger.stop()
    }

    /// Waits, and meanwhile returns freed memory to the kernel, which takes a tenth of a millisecond each time.
    private func trimMemory(for duration: Duration) async {
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end, !Task.isCancelled {
            loop.goesOn()
            if stack.operations.idle != nil { ProcessControl.trimMalloc() }
            try? await Task.sleep(for: Self.trimInterval)
        }
    }
}
