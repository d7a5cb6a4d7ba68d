import CephVolumes
import Foundation
import TestSupport
import Testing
import Volumes

/// A faulty cluster, as callers of the service see it: each test starts its own Ceph and makes faults in it.
@Suite("A cluster at fault", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct FaultTests {
    /// The callers' deadline in these tests, and the tolerated excess.
    static let deadline = Duration.seconds(5)
    static let slack = Duration.seconds(25)

    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }

    /// Makes calls on one volume of a cluster.
    struct Caller {
        let nacre: NacreProcess
        let uuid: String
        let clusterID: String

        func create(_ timeout: Duration = .seconds(30), uuid other: String? = nil) async throws -> Answer {
            try await nacre.ask(
                "Controller/CreateVolume",
                nacre.createBody("pvc-\(other ?? uuid)", pool: "rbd"),
                timeout: timeout
            )
        }

        func delete(_ timeout: Duration = .seconds(30)) async throws -> Answer {
            let body = #"{"volumeId":"\#(clusterID)/rbd//csi-vol-\#(uuid)","secrets":\#(try nacre.secrets())}"#
            return try await nacre.ask("Controller/DeleteVolume", body, timeout: timeout)
        }

        /// Retries until it succeeds, as Kubernetes does.
        func createAfterAll(at location: SourceLocation = #_sourceLocation) async throws {
            // Peering after a thaw takes long where others keep the processors.
            try await eventually("create succeeds", within: .seconds(240), at: location) {
                try await create(.seconds(5)).isOK
            }
        }
    }

    /// Starts a service on its own cluster.
    private func withService(
        _ arguments: [String] = [],
        _ body: (FaultyCluster, Caller, PoolCensus) async throws -> Void
    ) async throws {
        try await FaultyCluster.with { faulty in
            let nacre = try NacreProcess(faulty.cluster)
            let process = try await nacre.start(arguments)
            let caller = Caller(nacre: nacre, uuid: uuid, clusterID: try faulty.cluster.clusterID)
            try await expectWell(nacre)
            try await body(faulty, caller, try PoolCensus(faulty.cluster, pool: "rbd"))
            #expect(try await process.stop() == .exited(0))
        }
    }

    private func expectOverdue(
        _ answer: Answer,
        _ words: String...,
        of deadline: Duration = Self.deadline,
        at location: SourceLocation = #_sourceLocation
    ) {
        #expect(answer.code == "deadline_exceeded", "\(answer)", sourceLocation: location)
        #expect(answer.status == 504 && answer.time < deadline + Self.slack, "\(answer)", sourceLocation: location)
        for word in words + [" s;", "retry"] {
            #expect(answer.message.contains(word), "should say '\(word)': \(answer)", sourceLocation: location)
        }
    }

    private func expectOneImage(_ caller: Caller, _ census: PoolCensus) async throws {
        #expect(try await census.images() == [image])
        #expect(try await census.isWhole(image))
        let answer = try await caller.delete()
        #expect(answer.isOK, "\(answer)")
        #expect(try await census.hasNoTrace(of: image))
        try await eventually("the trash is empty") { try await census.rawTrash().isEmpty }
    }

    private func expectHealth(of part: String, _ nacre: NacreProcess, at location: SourceLocation = #_sourceLocation)
        async throws
    {
        try await eventually("/healthz names \(part)", at: location) {
            let ill = try await nacre.health()
            #expect(ill.time < .seconds(40), "\(ill)", sourceLocation: location)
            return ill.status == 503 && ill.body.contains(part)
        }
    }

    private func expectWell(_ nacre: NacreProcess, at location: SourceLocation = #_sourceLocation) async throws {
        try await eventually("/healthz is well", at: location) { try await nacre.health().isOK }
    }

    @Test("A frozen OSD: the deadline holds, the step and its age are told, the retry joins and succeeds")
    func frozenOSD() async throws {
        try await withService { faulty, caller, census in
            // Connects, so that the creates get as far as the OSD within their time.
            #expect(try await caller.delete().isOK)
            try await faulty.freeze("osd.0")
            expectOverdue(try await caller.create(Self.deadline), "create volume", "image 'rbd/\(image)'", "joins it")
            expectOverdue(try await caller.create(Self.deadline), "image 'rbd/\(image)'")
            let other = try await caller.delete(Self.deadline)
            #expect(other.code == "aborted" && other.time < Self.deadline + Self.slack, "\(other)")
            #expect(other.message.contains("create volume"), "\(other)")
            try await faulty.thaw("osd.0")
            try await caller.createAfterAll()
            try await expectWell(caller.nacre)
            try await expectOneImage(caller, census)
        }
    }

    @Test("More calls at once than librados takes by default, on a frozen OSD: other work goes on")
    func manyOnFrozen() async throws {
        try await FaultyCluster.with { faulty in
            let lab = faulty.cluster.lab()
            let credentials = try faulty.cluster.provisioner
            let id = try VolumeID(clusterID: faulty.cluster.clusterID, pool: "rbd", namespace: "", image: image)
            #expect(try await lab.store.image(id, credentials: credentials) == .absent)
            try await faulty.freeze("osd.0")
            try await withThrowingTaskGroup { group in
                // librados' own limit is 1,024.
                for _ in 0..<1500 {
                    group.addTask {
                        let found = try await lab.store.image(id, credentials: credentials)
                        #expect(found == .absent)
                    }
                }
                try await Task.sleep(for: .seconds(1))
                let start = ContinuousClock.now
                await Task.detached {}.value
                #expect(.now - start < .seconds(30))
                try await faulty.thaw("osd.0")
                try await group.waitForAll()
            }
        }
    }

    @Test("A frozen monitor: what needs none goes on, health says which part, a new connection is overdue")
    func frozenMonitor() async throws {
        try await withService { faulty, caller, census in
            #expect(try await caller.create().isOK)
            try await faulty.freeze("mon.x")
            // The map is current and the OSDs serve.
            #expect(try await caller.create().isOK)
            try await expectHealth(of: "monitors", caller.nacre)
            let fresh = try NacreProcess(faulty.cluster)
            let process = try await fresh.start()
            let newcomer = Caller(nacre: fresh, uuid: uuid, clusterID: caller.clusterID)
            expectOverdue(try await newcomer.create(Self.deadline), "create volume", "connecting to cluster")
            try await faulty.thaw("mon.x")
            try await newcomer.createAfterAll()
            try await expectWell(fresh)
            try await expectWell(caller.nacre)
            try await expectOneImage(caller, census)
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("A killed monitor: a new connection is refused with its address, and works when it is back")
    func stoppedMonitor() async throws {
        try await withService(["--ceph-option", "client_mount_timeout=10"]) { faulty, caller, census in
            // There is no connection of the cluster's user yet: only health was asked.
            try await faulty.stop("mon.x")
            try await expectHealth(of: "monitors", caller.nacre)
            let fresh = try NacreProcess(faulty.cluster)
            let process = try await fresh.start(["--ceph-option", "client_mount_timeout=10"])
            let newcomer = Caller(nacre: fresh, uuid: uuid, clusterID: caller.clusterID)
            let answer = try await newcomer.create(.seconds(40))
            #expect(answer.code == "unavailable" && answer.time < .seconds(30), "\(answer)")
            #expect(answer.message.contains("127.0.0.1:") && answer.message.contains("monitor"), "\(answer)")
            try await faulty.start("mon.x")
            try await newcomer.createAfterAll()
            try await expectWell(fresh)
            try await expectWell(caller.nacre)
            try await expectOneImage(newcomer, census)
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("A second, healthy cluster in the same config.json does not notice")
    func neighbour() async throws {
        try await FaultyCluster.with { ill in
            try await FaultyCluster.with { well in
                try await well.adoptUsers(of: ill)
                let nacre = try NacreProcess(ill.cluster, configurationPath: try ill.joinedConfiguration(with: well))
                let process = try await nacre.start(["--ceph-threads", "2"])
                try await ill.freeze("osd.0", "mon.x")
                let sick = Caller(nacre: nacre, uuid: uuid, clusterID: try ill.cluster.clusterID)
                let patience = Duration.seconds(30)
                // More calls than the cluster's threads.
                async let stuck = withThrowingTaskGroup(of: Answer.self) { group in
                    for _ in 0..<6 {
                        group.addTask { try await sick.create(patience, uuid: UUID().uuidString.lowercased()) }
                    }
                    return try await group.reduce(into: [Answer]()) { $0.append($1) }
                }
                let begin = ContinuousClock.now
                for _ in 0..<5 {
                    let uuid = UUID().uuidString.lowercased()
                    let body = try nacre.createBody("pvc-\(uuid)", pool: "rbd").replacing(
                        try ill.cluster.clusterID,
                        with: try well.cluster.clusterID
                    )
                    let answer = try await nacre.ask("Controller/CreateVolume", body, timeout: .seconds(60))
                    #expect(answer.isOK, "\(answer)")
                }
                #expect(.now - begin < patience, "the well cluster's calls waited for the ill one's")
                for answer in try await stuck { expectOverdue(answer, of: patience) }
                let health = try await nacre.health()
                #expect(health.status == 503, "\(health)")
                #expect(try await PoolCensus(well.cluster, pool: "rbd").images().count == 5)
                try await ill.thaw("osd.0", "mon.x")
                try await sick.createAfterAll()
                try await expectWell(nacre)
                #expect(try await process.stop() == .exited(0))
            }
        }
    }
}
