import Foundation
import NodeTestSupport
import NodeVolumes
import Secrets
import Testing
import Volumes

/// What a node's user may not do is said, with the pool and the caps, and is no I/O error.
extension NodeTests {
    private func user(_ name: String, _ caps: String) async throws -> Credentials {
        let ceph = "ceph -c \(NodeLab.clusterDirectory ?? "")/ceph.conf"
        let key = try await shell(
            "\(ceph) auth get-or-create-key client.\(name) mon 'profile rbd' osd '\(caps)' 2> /dev/null"
        )
        return Credentials(userID: name, userKey: Secret(key.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    @Test(
        "A user without caps for the pool of the data, or with too few, is refused with user, pool and caps",
        arguments: ["profile rbd pool=rbd", "profile rbd pool=rbd, profile rbd-read-only pool=replicapool"]
    )
    func dataPool(caps: String) async throws {
        let image = "caps-\(caps.utf8.count)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        _ = try await rbd("rm --no-progress rbd/\(image)")
        _ = try await rbd("create --size 64M --data-pool replicapool rbd/\(image)")
        _ = try await rbd("image-meta set rbd/\(image) nacre.io/adopted rbd/\(image)")
        var request = lab.stageRequest(image)
        request.credentials = try await user("node-\(caps.utf8.count)", caps)
        let error = await #expect(throws: VolumeError.self) { try await lab.service().stage(request, deadline: soon) }
        let message = error?.message ?? ""
        #expect(error?.code == .permissionDenied, "\(message)")
        #expect(
            message.contains("client.node-\(caps.utf8.count)") && message.contains("pool 'replicapool'"),
            "\(message)"
        )
        #expect(message.contains("osd 'profile rbd pool=rbd, profile rbd pool=replicapool'"), "\(message)")
        #expect(try lab.remains() == [])
        request.credentials = try await user("node-both", "profile rbd pool=rbd, profile rbd pool=replicapool")
        try await lab.service().stage(request, deadline: soon)
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }

    @Test("A user that may only read is refused by its name, with the caps of the pool")
    func readOnlyUser() async throws {
        let image = "caps-reader"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        var request = lab.stageRequest(image)
        request.credentials = try await user("node-reader", "profile rbd-read-only pool=rbd")
        let error = await #expect(throws: VolumeError.self) { try await lab.service().stage(request, deadline: soon) }
        let message = error?.message ?? ""
        #expect(error?.code == .permissionDenied, "\(message)")
        #expect(message.contains("client.node-reader") && message.contains("osd 'profile rbd pool=rbd'"), "\(message)")
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }
}
