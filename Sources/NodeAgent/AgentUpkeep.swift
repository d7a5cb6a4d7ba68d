import CephVolumes
import ServiceLifecycle
import VolumeServer

/// A node agent's periodic work: closes idle connections, and releases what unrepeated calls left.
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
