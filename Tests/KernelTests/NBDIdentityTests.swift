import NodeTestSupport
import Testing

extension KernelTests {
    @Test("nbd: an image that was set aside and the copy that has its name are told apart", arguments: ["ext4", nil])
    func nbdIdentity(fsType: String?) async throws {
        let image = "nbd-aside-\(fsType ?? "block")"
        try await setAside(NodeLab.nbd(image, megabytes: 64), image, fsType, isAnsweredAnew: true)
    }
}
