import LinuxKernel
import NodeTestSupport
import NodeVolumes
import RBD
import Testing
import Volumes

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

/// A service ends, its kernel's mappings stay; the next service of the node knows them for its own.
extension KernelTests {
    private var conf: String { "\(NodeLab.clusterDirectory ?? "")/ceph.conf" }

    /// The kernel's client that has an image, by its lock.
    private func holder(_ lab: NodeLab, _ image: String) throws -> ImageClient? {
        let context = try Administrator().context
        let id = try #require(try context.idOfImage(named: image))
        return try context.clients(ofImageID: id)?.clients.first { $0.locks[.holder] != nil }
    }

    /// Whether an address is on the cluster's blocklist.
    private func isBlocklisted(_ address: String) async throws -> Bool {
        try await shell("ceph -c \(conf) osd blocklist ls").contains(address)
    }

    private func otherNode(_ image: String) throws -> NodeLab {
        var other = try NodeLab(directory: "/tmp/\(image)-other", placement: .stay)
        // This kernel would find the device that it has already: another mapper is as another kernel.
        other.mappers = [.fuse]
        try KernelFile.makeDirectories(other.stagingPath(image))
        return other
    }

    @Test(
        "krbd: a holder whose service was killed is alive and ours: nobody takes its image, and it is not blocklisted"
    )
    func restartedHolder() async throws {
        let image = "restarted"
        let lab = try NodeLab.kernel(image, megabytes: 64)
        // Its connection to Ceph ends with it.
        try await shell("\(lab.program) \(lab.directory) up \(image) ext4 none krbd")
        let before = try #require(try holder(lab, image))
        let place = lab.stagingPath(image)
        try await shell("echo row > \(place)/row && sync -f \(place)")

        let other = try otherNode(image)
        await #expect {
            try await other.service().stage(other.stageRequest(image), deadline: soon)
        } throws: { "\($0)".contains("in use on node '\(lab.nodeID)'") }

        let service = lab.service()
        await service.reconcile(deadline: soon)
        for _ in 0..<2 { try await service.stage(lab.stageRequest(image), deadline: soon) }
        #expect(try holder(lab, image)?.address == before.address)
        #expect(try await !isBlocklisted(before.address))
        try await shell("echo more >> \(place)/row && sync -f \(place) && grep -q row \(place)/row")
        try await service.unpublish(volumeID: lab.handle(image), targetPath: lab.targetPath(image), deadline: soon)
        try await service.unstage(volumeID: lab.handle(image), stagingPath: place, deadline: soon)
        #expect(try holder(lab, image) == nil)
        #expect(try await !isBlocklisted(before.address))
        #expect(try lab.remains(image) == [])
    }

    @Test("krbd: a lock of the service before is given back at the unmap, so that the next node need fence nobody")
    func regained() async throws {
        let image = "regained"
        let lab = try NodeLab.kernel(image, megabytes: 64)
        try await shell("\(lab.program) \(lab.directory) up \(image) ext4 none krbd")
        let before = try #require(try holder(lab, image))
        let owner = ImageOwnership(stateDirectory: lab.directory, nodeID: lab.nodeID, logger: lab.quietLogger)
        #expect(owner.clustersToRegain == ["lab"])
        try owner.regain(clusterID: "lab", monitors: lab.monitors, as: lab.credentials)
        #expect(owner.clustersToRegain == [])
        // As unstage does.
        for place in [lab.targetPath(image), lab.stagingPath(image)] { try await shell("umount \(place)") }
        let mapper = KernelRBDMapper(
            stateDirectory: lab.directory,
            owner: owner,
            logger: lab.quietLogger
        )
        try mapper.unmap(lab.address(image)) { _, _ in }
        #expect(try holder(lab, image) == nil)
        let other = try otherNode(image)
        try await other.service().stage(other.stageRequest(image), deadline: soon)
        #expect(try await !isBlocklisted(before.address))
        try await other.service().unstage(
            volumeID: other.handle(image),
            stagingPath: other.stagingPath(image),
            deadline: soon
        )
        await lab.service().reconcile(deadline: soon)
        #expect(try lab.remains(image) == [])
    }

    @Test("krbd: what was unmapped while no service could ask is given back by the next one that can")
    func regainedLate() async throws {
        let image = "regained-late"
        let lab = try NodeLab.kernel(image, megabytes: 64)
        try await shell("\(lab.program) \(lab.directory) up \(image) ext4 none krbd")
        // Without a connection: its service is new.
        try await shell("\(lab.program) \(lab.directory) down \(image) ext4 none krbd")
        let left = try #require(try holder(lab, image))
        let owner = ImageOwnership(stateDirectory: lab.directory, nodeID: lab.nodeID, logger: lab.quietLogger)
        try owner.regain(clusterID: "lab", monitors: lab.monitors, as: lab.credentials)
        #expect(try holder(lab, image) == nil)
        #expect(try await !isBlocklisted(left.address))
        #expect(try lab.remains(image) == [])
    }

    @Test(
        "krbd: a publish goes on with a service that was started anew, to the same pod and to another",
        arguments: ["ext4", nil]
    )
    func publishedAnew(fsType: String?) async throws {
        let image = "published-anew-\(fsType ?? "block")"
        let lab = try NodeLab.kernel(image, megabytes: 64)
        let first = lab.service()
        try await first.stage(lab.stageRequest(image, fsType: fsType), deadline: soon)
        try await first.publish(lab.publishRequest(image, fsType: fsType), deadline: soon)
        let before = try #require(try holder(lab, image))
        // Nobody has told this one as whom to ask, and kubelet does not stage again.
        let service = lab.service()
        await service.reconcile(deadline: soon)
        var another = lab.publishRequest(image, fsType: fsType)
        another.targetPath += "-another"
        for request in [lab.publishRequest(image, fsType: fsType), another, another] {
            try await service.publish(request, deadline: soon)
        }
        for path in [lab.targetPath(image), another.targetPath] {
            #expect(try MountTable.current().mount(at: path) != nil, "\(path)")
            try await shell(fsType == nil ? "test -b \(path)" : "echo row > \(path)/row && sync -f \(path)")
        }
        #expect(try holder(lab, image)?.address == before.address)
        for path in [lab.targetPath(image), another.targetPath] {
            try await service.unpublish(volumeID: lab.handle(image), targetPath: path, deadline: soon)
        }
        try await service.unstage(volumeID: lab.handle(image), stagingPath: lab.stagingPath(image), deadline: soon)
        #expect(try lab.remains(image) == [])
    }
}
