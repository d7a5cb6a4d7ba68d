import Secrets
import TestSupport
import Testing
import Volumes

@Suite("Volumes in memory")
struct VolumeServiceTests {
    @Test("The service keeps its promise", arguments: VolumeBehaviour.all)
    func behaves(_ behaviour: VolumeBehaviour) async throws {
        let bench = VolumeBehaviour.Bench(
            service: VolumeService(store: InMemoryImageStore()),
            parameters: ["clusterID": "lab", "pool": "rbd"],
            credentials: Credentials(userID: "tester", userKey: Secret("k")),
            prefix: "t-0001"
        )
        try await behaviour.check(bench)
    }
}
