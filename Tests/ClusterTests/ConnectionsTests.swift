import CephVolumes
import Secrets
import TestSupport
import Testing
import Volumes

@Suite("Connections to Ceph", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ConnectionsTests {
    let cluster: MicroCluster

    init() throws {
        cluster = try #require(MicroCluster.current)
    }

    private func connections(idle: Duration = .seconds(600)) -> ClusterConnections {
        ClusterConnections(
            configuration: ClusterConfiguration(path: cluster.configurationPath),
            idleLimit: idle
        )
    }

    @Test("All who want a connection at once share one")
    func shares() async throws {
        let connections = connections()
        let id = try cluster.clusterID
        let user = try cluster.provisioner
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await connections.link(to: id, as: user) } }
            try await group.waitForAll()
        }
        #expect(connections.descriptions.count == 1)
    }

    @Test("An idle connection is let go of, and made again when it is wanted")
    func idles() async throws {
        let patient = connections()
        _ = try await patient.link(to: try cluster.clusterID, as: try cluster.provisioner)
        patient.releaseIdle()
        #expect(patient.descriptions.count == 1)
        let connections = connections(idle: .zero)
        _ = try await connections.link(to: try cluster.clusterID, as: try cluster.provisioner)
        #expect(connections.descriptions.count == 1)
        connections.releaseIdle()
        #expect(connections.descriptions.isEmpty)
        _ = try await connections.link(to: try cluster.clusterID, as: try cluster.provisioner)
        #expect(connections.descriptions.count == 1)
    }

    @Test("Another key makes another connection; a wrong one is refused and leaves none, the right one then works")
    func keys() async throws {
        let connections = connections()
        let right = try cluster.provisioner
        let wrong = Credentials(userID: right.userID, userKey: Secret("AQBwrongwrongwrongwrongwrongwrongwrongA=="))
        await #expect {
            _ = try await connections.link(to: try cluster.clusterID, as: wrong)
        } throws: { error in
            guard let error = error as? VolumeError else { return false }
            let isClear = error.code == .unauthenticated || error.code == .invalidArgument
            return isClear && !error.message.contains("wrongwrong")
        }
        #expect(connections.descriptions.isEmpty)
        _ = try await connections.link(to: try cluster.clusterID, as: right)
        #expect(connections.descriptions.count == 1)
    }
}
