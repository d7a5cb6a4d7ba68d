import CephVolumes
import Foundation
import TestSupport
import Testing
import Volumes

/// Every row of the table at `VolumeStep`: the real program is killed at the step, restarted, and called again.
@Suite("Killed at any step", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct CrashMatrixTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let nacre: NacreProcess
    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }
    var handle: String { get throws { "\(try cluster.clusterID)/rbd//\(image)" } }

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
        nacre = try NacreProcess(cluster)
    }

    /// Makes a call that does not return, because the process dies at `step`.
    private func crash(_ step: VolumeStep, _ method: String, _ body: String) async throws {
        let process = try await nacre.start(environment: ["NACRE_CRASH_AT": step.rawValue])
        await #expect(throws: (any Error).self) { try await nacre.call(method, body) }
        #expect(try await process.end() == .killed(SIGKILL))
    }

    @Test(
        "Create",
        arguments: [VolumeStep.lookingUp, .creatingImage, .writingHeader, .settingMetadata, .answering]
    )
    func create(_ step: VolumeStep) async throws {
        let layout = step == .settingMetadata ? NacreProcess.stripes : [:]
        let body = try nacre.createBody("pvc-\(uuid)", pool: "rbd", parameters: layout)
        try await crash(step, "Controller/CreateVolume", body)
        let process = try await nacre.start()
        for _ in 0..<2 {
            let answer = try await nacre.call("Controller/CreateVolume", body)
            #expect(answer.status == 200, "\(answer.body)")
        }
        #expect(try await census.images(prefix: image) == [image])
        #expect(try await census.isWhole(image))
        #expect(try await nacre.call("Controller/DeleteVolume", deleteBody()).status == 200)
        #expect(try await census.hasNoTrace(of: image))
        try await expectTrashWithout(image)
        #expect(try await process.stop() == .exited(0))
    }

    @Test(
        "Delete",
        arguments: [VolumeStep.lookingUp, .checkingUse, .movingToTrash, .recheckingUse, .answering]
    )
    func delete(_ step: VolumeStep) async throws {
        let maker = try await nacre.start()
        #expect(
            try await nacre.call("Controller/CreateVolume", nacre.createBody("pvc-\(uuid)", pool: "rbd")).status == 200
        )
        try await maker.stop()
        try await crash(step, "Controller/DeleteVolume", deleteBody())
        let process = try await nacre.start()
        for _ in 0..<2 {
            let answer = try await nacre.call("Controller/DeleteVolume", deleteBody())
            #expect(answer.status == 200, "\(answer.body)")
        }
        #expect(try await census.hasNoTrace(of: image))
        try await expectTrashWithout(image)
        #expect(try await process.stop() == .exited(0))
    }

    @Test("Expand", arguments: [VolumeStep.lookingUp, .growingImage, .answering])
    func expand(_ step: VolumeStep) async throws {
        let maker = try await nacre.start()
        #expect(
            try await nacre.call("Controller/CreateVolume", nacre.createBody("pvc-\(uuid)", pool: "rbd")).status == 200
        )
        try await maker.stop()
        let body =
            #"{"volumeId":"\#(try handle)","capacityRange":{"requiredBytes":"268435456"},"secrets":\#(try nacre.secrets())}"#
        try await crash(step, "Controller/ControllerExpandVolume", body)
        let process = try await nacre.start()
        for _ in 0..<2 {
            let answer = try await nacre.call("Controller/ControllerExpandVolume", body)
            #expect(answer.status == 200 && answer.body.contains("\"268435456\""), "\(answer.body)")
        }
        #expect(try await census.isWhole(image))
        #expect(try await nacre.call("Controller/DeleteVolume", deleteBody()).status == 200)
        try await expectTrashWithout(image)
        #expect(try await process.stop() == .exited(0))
    }

    private func deleteBody() throws -> String {
        #"{"volumeId":"\#(try handle)","secrets":\#(try nacre.secrets())}"#
    }

    /// Waits until the running service has emptied the trash, including the images of the killed one.
    ///
    /// A process that was killed during the removal keeps its watch on the image for 30 seconds, and the purger checks
    /// every 20.
    private func expectTrashWithout(_ image: String) async throws {
        let end = ContinuousClock.now + .seconds(240)
        while try census.trash().contains(image) {
            try #require(.now < end, "'\(image)' is still in the trash")
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
