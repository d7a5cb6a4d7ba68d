package import ImageServing
package import NodeVolumes
internal import ServiceLifecycle
package import VolumeServer

/// Completes or undoes, once, what an earlier service left incomplete.
package struct Reconciling: Service {
    private let service: NodeVolumeService

    package init(service: NodeVolumeService) { self.service = service }

    /// Volumes are checked one after the other, so a volume that waits for its cluster must not delay the others for
    /// long.
    private static let limit = Duration.seconds(60)

    package func run() async throws {
        await service.reconcile(deadline: .now + Self.limit)
        // A service that returns ends its group.
        try? await gracefulShutdown()
    }
}

/// Runs the watchdog while the service runs.
package struct Watching: Service {
    private let watchdog: FuseWatchdog
    private let loop: Liveness.Loop

    package init(watchdog: FuseWatchdog, loop: Liveness.Loop) {
        self.watchdog = watchdog
        self.loop = loop
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await watchdog.run(inEachRound: loop.goesOn) }
        loop.rests()
    }
}
