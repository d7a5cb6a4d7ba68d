import Curl
import Foundation
import RADOS
import RBD
import TestSupport
import Testing

/// What a node's calls say about a Ceph that does not let them go on: the same as the controller's do.
@Suite(
    "A node's errors, explained",
    .enabled(
        if: MicroCluster.isThere && ProcessInfo.processInfo.environment["NACRE_OWN_MOUNTS"] != nil
            && FileManager.default.fileExists(atPath: "/dev/fuse"),
        Comment(rawValue: MicroCluster.lack)
    )
)
struct NodeWordsTests {
    /// A volume, and the calls of the node that has it.
    private struct Volume {
        let service: NacreProcess
        let image: String
        let handle: String
        let staging: String
        let target: String

        func call(_ method: String, _ fields: String = "", within limit: Duration = .seconds(60)) async throws -> (
            status: Int, body: String
        ) {
            let body = #"{"volumeId":"\#(handle)"\#(fields.isEmpty ? "" : ",\(fields)")}"#
            return try await service.call(method, body, timeout: limit)
        }

        private static let capability =
            #""volumeCapability":{"mount":{"fsType":"xfs"},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}"#

        func stage(within limit: Duration = .seconds(60)) async throws -> (status: Int, body: String) {
            let fields =
                #""stagingTargetPath":"\#(staging)",\#(Self.capability),"secrets":\#(try service.secrets())"#
            return try await call("Node/NodeStageVolume", fields, within: limit)
        }

        func publish() async throws -> (status: Int, body: String) {
            let fields = #""stagingTargetPath":"\#(staging)","targetPath":"\#(target)",\#(Self.capability)"#
            return try await call("Node/NodePublishVolume", fields)
        }

        func unpublish() async throws -> (status: Int, body: String) {
            try await call("Node/NodeUnpublishVolume", #""targetPath":"\#(target)""#)
        }

        func unstage(within limit: Duration = .seconds(60)) async throws -> (status: Int, body: String) {
            try await call("Node/NodeUnstageVolume", #""stagingTargetPath":"\#(staging)""#, within: limit)
        }
    }

    private func volume(_ service: NacreProcess, _ cluster: MicroCluster) async throws -> Volume {
        let uuid = UUID().uuidString.lowercased()
        let body = try service.createBody("pvc-\(uuid)", pool: "rbd", bytes: 320 << 20)
        let made = try await service.call("Controller/CreateVolume", body)
        #expect(made.status == 200, "\(made)")
        let staging = "\(service.directory)/staging-\(uuid)"
        try FileManager.default.createDirectory(atPath: staging, withIntermediateDirectories: true)
        return Volume(
            service: service,
            image: "csi-vol-\(uuid)",
            handle: "\(try cluster.clusterID)/rbd//csi-vol-\(uuid)",
            staging: staging,
            target: "\(service.directory)/pod-\(uuid)"
        )
    }

    private func with(_ cluster: MicroCluster, _ body: (NacreProcess) async throws -> Void) async throws {
        let service = try NacreProcess(cluster)
        let process = try await service.start(["--node-id", "worker-7", "--mounter", "fuse"])
        try await body(service)
        #expect(try await process.stop() == .exited(0))
    }

    @Test("An unstage that a paused cluster holds up says that it is paused")
    func paused() async throws {
        try await FaultyCluster.with { faulty in
            try await with(faulty.cluster) { service in
                let volume = try await volume(service, faulty.cluster)
                #expect(try await volume.stage().status == 200)
                // In the page cache alone, so that an unmount has to write it. By another process: one that a test beside this
                // one starts meanwhile would inherit the open file from ours.
                let file = "of=\(volume.staging)/file"
                try await faulty.cluster.execute("dd", "if=/dev/urandom", file, "bs=1M", "count=8", "status=none")
                try await faulty.ceph("osd", "pause")
                try await eventually("the pause is raised") { try await faulty.ceph("health").contains("pause") }
                let unstage = try await volume.unstage(within: .seconds(15))
                #expect(unstage.body.contains("ceph osd unset pause"), "\(unstage)")
                try await faulty.ceph("osd", "unpause")
                try await eventually("the volume is unstaged") {
                    try await volume.unstage().status == 200
                }
            }
        }
    }

    @Test("A stage that waits for another client names it")
    func otherClient() async throws {
        let cluster = try #require(MicroCluster.current)
        let other = try PoolCensus(cluster, pool: "rbd")
        try await with(cluster) { service in
            let volume = try await volume(service, cluster)
            let address = ClientAddress.plain(try other.pool.cluster.addresses())
            let open = try await other.blocking { (pool) throws(RBDError) in
                try Image.open(volume.image, in: pool, access: .readWrite)
            }
            let stage = try await volume.stage(within: .seconds(15))
            #expect(stage.body.contains(address), "\(stage)")
            await other.blocking { _ in open.close() }
            try await eventually("the volume is staged") { try await volume.stage().status == 200 }
            // Whom a delete finds is the node, by its name.
            let delete = try await volume.call("Controller/DeleteVolume", #""secrets":\#(try service.secrets())"#)
            #expect(delete.status == 400 && delete.body.contains("node 'worker-7'"), "\(delete)")
            #expect(try await volume.unstage().status == 200)
        }
    }

    @Test("A copy that rbd-mirror keeps, a lost header and a pool that is not there are called so")
    func images() async throws {
        try await FaultyCluster.with { faulty in
            try await with(faulty.cluster) { service in
                for mode in ["snapshot", "journal"] {
                    let copy = try await volume(service, faulty.cluster)
                    let spec = "rbd/\(copy.image)"
                    try await faulty.cluster.execute(
                        "sh",
                        "-ec",
                        (mode == "journal" ? "rbd feature enable \(spec) journaling; " : "")
                            + "rbd mirror pool enable rbd image; rbd mirror image enable \(spec) \(mode); "
                            + "rbd mirror image demote \(spec)"
                    )
                    let stage = try await copy.stage()
                    #expect(stage.body.contains("failed_precondition"), "\(mode): \(stage)")
                    #expect(stage.body.contains("rbd mirror image promote \(spec)"), "\(mode): \(stage)")
                    let look = try await copy.call("Controller/ControllerGetVolume")
                    #expect(look.body.contains("rbd mirror image promote \(spec)"), "\(mode): \(look)")
                    // One that is the primary image is well.
                    try await faulty.cluster.execute("rbd", "mirror", "image", "promote", spec)
                    let promoted = try await copy.call("Controller/ControllerGetVolume")
                    #expect(!promoted.body.contains("promote"), "\(mode): \(promoted)")
                    #expect(try await copy.stage().status == 200, "\(mode)")
                    #expect(try await copy.unstage().status == 200, "\(mode)")
                }

                let headless = try await volume(service, faulty.cluster)
                let census = try PoolCensus(faulty.cluster, pool: "rbd")
                let id = try #require(try await census.pool.imageID(named: headless.image))
                try await census.removeObject("rbd_header.\(id)")
                let range = #""capacityRange":{"requiredBytes":"\#(640 << 20)"},"secrets":\#(try service.secrets())"#
                for answer in [
                    try await headless.stage(), try await headless.call("Controller/ControllerExpandVolume", range),
                ] {
                    #expect(answer.body.contains("not_found"), "\(answer)")
                    #expect(answer.body.contains("no header") && !answer.body.contains("no image"), "\(answer)")
                }
                let nowhere = Volume(
                    service: service,
                    image: headless.image,
                    handle: "\(try faulty.cluster.clusterID)/nowhere//\(headless.image)",
                    staging: headless.staging,
                    target: headless.target
                )
                let lost = try await nowhere.stage()
                #expect(lost.body.contains("there is no such pool") && lost.body.contains("nowhere"), "\(lost)")
            }
        }
    }

    @Test("No volume hides the service's socket, configuration or Secret, nor other services' directories")
    func places() async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        let process = try await service.start(["--node-id", "worker-7", "--mounter", "fuse"])
        let kept = try await volume(service, cluster)
        #expect(try await kept.stage().status == 200)
        let secret = URL(filePath: cluster.provisionerSecret)
        for path in [
            service.directory, service.socketPath, secret.path, secret.deletingLastPathComponent().path,
            URL(filePath: cluster.configurationPath).deletingLastPathComponent().path, "/run/systemd",
            "/run/systemd/units-x", "/var/lib/dpkg/x", "/var/lib/ceph/x",
        ] {
            let fields =
                #""stagingTargetPath":"\#(kept.staging)","targetPath":"\#(path)","volumeCapability":{"mount":{},"#
                + #""accessMode":{"mode":"SINGLE_NODE_WRITER"}}"#
            let answer = try await kept.call("Node/NodePublishVolume", fields)
            #expect(answer.status == 400, "\(path): \(answer)")
        }
        #expect(try await service.get("/metrics").status == 200)
        #expect(try await kept.publish().status == 200)
        #expect(try await kept.unpublish().status == 200)
        #expect(try await kept.unstage().status == 200)
        #expect(try await process.stop() == .exited(0))
    }
}
