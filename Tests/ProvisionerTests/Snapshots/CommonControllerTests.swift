import Synchronization
import TestSupport
import Testing

@testable import KubernetesAPI
@testable import Provisioner

@Suite("Whether the common snapshot controller runs")
struct CommonControllerTests {
    @Test("Leases are looked at only in a cluster that has the kinds of snapshots, and forgotten when those go")
    func onlyWithKinds() async throws {
        let stage = try await SnapshotStage()
        let common = CommonController(stage.shop)
        _ = await common.look()
        #expect(!common.isThere)
        let before = stage.server.requests.count
        let hasKinds = Atomic(false)
        let running = Task {
            await common.run(while: { hasKinds.load(ordering: .relaxed) }) {}
        }
        try await eventually("it is forgotten", within: .seconds(30)) { common.isThere }
        #expect(stage.server.requests.count == before, "a cluster without the kinds is asked")
        hasKinds.store(true, ordering: .relaxed)
        try await eventually("it is looked at", within: .seconds(30)) { !common.isThere }
        running.cancel()
        await running.value
    }
}
