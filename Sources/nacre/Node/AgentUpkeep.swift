import CephVolumes
import ServiceLifecycle
import VolumeServer

/// What a node agent has to do now and then: closing idle connections, releasing what a call left that nobody repeats.
struct AgentUpkeep: Service {
    let connections: ClusterConnections
    let driver: FlexDriver
    let loop: Liveness.Loop

    private static let interval = Duration.seconds(10)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await driver.releaseAbandoned() }
                while !Task.isCancelled {
                    loop.goesOn()
                    connections.releaseIdle()
                    try? await Task.sleep(for: Self.interval)
                }
            }
        }
        loop.rests()
    }
}
