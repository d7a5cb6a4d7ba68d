import Foundation
import ImageMapping
import ImageOwnership
import ImageServing
import NodeTestSupport
import NodeVolumes
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

/// Which image has a name is asked by the node's own connection where the kernel has it mapped.
extension NodeTests {
    @Test(
        "A lookup that is not answered gives its thread back soon, and is answered when the cluster is back",
        arguments: ["osd.0", "mon.x", "mon.x osd.0"]
    )
    func unansweredLookup(daemons: String) async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let census = try PoolCensus(cluster, pool: "rbd")
            try await cluster.execute("rbd", "create", "--size", "16M", "rbd/asked")
            let id = try #require(try await census.pool.imageID(named: "asked"))
            let identity = ImageIdentity(poolID: census.pool.poolID, imageID: id)
            let image = ImageAddress(clusterID: "lab", pool: "rbd", namespace: "", name: "asked")
            let request = MapRequest(
                image: image,
                monitors: try Self.monitors(of: cluster),
                credentials: try cluster.provisioner,
                sharing: .oneNode
            )
            let lab = try NodeLab(directory: "/tmp/nacre-lookup", placement: .stay)
            let owner = ImageOwnership(stateDirectory: lab.directory, nodeID: lab.nodeID, logger: lab.quietLogger)
            let isAsked: @Sendable () throws -> Bool = {
                try owner.whereabouts(of: identity, as: image, request, within: 3)?.isSame == true
            }
            // Ten at once that find no connection make one: the numbers of clients tell how many were made.
            let first = try Cluster.connect(monitors: request.monitors, credentials: request.credentials)
            let answers = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        await withCheckedContinuation { continuation in
                            Thread.detachNewThread {
                                let found = try? owner.whereabouts(of: identity, as: image, request, within: 60)
                                continuation.resume(returning: found?.isSame == true)
                            }
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.allSatisfy { $0 })
            let last = try Cluster.connect(monitors: request.monitors, credentials: request.credentials)
            #expect(last.instanceID - first.instanceID < 8, "\(first.instanceID) \(last.instanceID)")
            #expect(try isAsked())
            let names = daemons.split(separator: " ").map(String.init)
            for name in names { try await faulty.freeze(name) }
            // Ten at once, as of ten volumes: none waits for another.
            let times = await withTaskGroup(of: Duration.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        await withCheckedContinuation { continuation in
                            Thread.detachNewThread {
                                let start = ContinuousClock.now
                                // An answer in an outage would count as one that never came.
                                let isAnswered = (try? isAsked()) != nil
                                continuation.resume(returning: isAnswered ? .seconds(3600) : .now - start)
                            }
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            for name in names { try await faulty.thaw(name) }
            #expect(times.allSatisfy { $0 < .seconds(28) }, "\(times)")
            try await eventually("it is answered") { (try? isAsked()) == true }
        }
    }

    private static func monitors(of cluster: MicroCluster) throws -> [String] {
        struct Entry: Decodable { let monitors: [String] }
        let data = try Data(contentsOf: URL(filePath: cluster.configurationPath))
        return try JSONDecoder().decode([Entry].self, from: data).first?.monitors ?? []
    }
}
