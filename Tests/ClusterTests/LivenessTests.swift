import Curl
import Foundation
import TestSupport
import Testing

@Suite("Liveness of a service", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct LivenessTests {
    @Test("OSDs that are frozen for longer than a loop may be silent make no probe fail")
    func frozenOSDs() async throws {
        try await FaultyCluster.with { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            let process = try await nacre.start()
            #expect(try await nacre.get("/livez").status == 200)
            try await faulty.freeze("osd.0")
            try await withThrowingTaskGroup { group in
                for number in 0..<40 {
                    group.addTask {
                        let body = try nacre.createBody("pvc-\(number)", pool: "rbd")
                        _ = try? await nacre.call("Controller/CreateVolume", body, timeout: .seconds(100))
                    }
                }
                // Loops may be silent for two minutes.
                let end = ContinuousClock.now + .seconds(130)
                while ContinuousClock.now < end {
                    let answer = try await nacre.get("/livez")
                    #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
                    try await Task.sleep(for: .seconds(5))
                }
                try await faulty.thaw("osd.0")
                try await group.waitForAll()
            }
            #expect(try await nacre.get("/livez").status == 200)
            #expect(try await process.stop() == .exited(0))
        }
    }
}
