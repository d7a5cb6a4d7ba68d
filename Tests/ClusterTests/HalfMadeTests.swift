import CephVolumes
import Foundation
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

/// Kills between steps: inside librbd, or among writes that are sent together.
///
/// On their own cluster, because the purgers of other tests would interfere.
@Suite("Half-made images", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct HalfMadeTests {
    @Test("Create makes one whole image of each, Delete then leaves nothing")
    func create() async throws {
        try await withEachState { subject in
            let before = try await subject.census.pool.imageID(named: subject.image)
            for _ in 0..<3 {
                let volume = try await subject.bench.create(subject.bench.request(subject.uuid))
                #expect(volume.id.image == subject.image)
            }
            #expect(try await subject.census.images(prefix: subject.image) == [subject.image], "\(subject.state)")
            #expect(try await subject.census.isWhole(subject.image), "\(subject.state)")
            if subject.state.isAVolume {
                let now = try await subject.census.pool.imageID(named: subject.image)
                #expect(now == before && now == subject.id, "\(subject.state): a volume with data was made anew")
            }
            try await deleteLeavesNothing(subject)
        }
    }

    @Test("Delete leaves nothing of each")
    func delete() async throws {
        try await withEachState { try await deleteLeavesNothing($0) }
    }

    @Test(
        "An image whose header was lost beside its data is neither made anew nor removed; what Operations says helps",
        arguments: [true, false],
        ["", "data"]
    )
    func lostHeader(hasMap: Bool, dataPool: String) async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let uuid = UUID().uuidString.lowercased()
            let census = try PoolCensus(cluster, pool: "rbd")
            if !dataPool.isEmpty {
                try await cluster.execute("sh", "-ec", "ceph osd pool create data 1 && rbd pool init data")
            }
            let bench = try bench(cluster.lab(), cluster, dataPool: dataPool)
            let volume = try await bench.create(bench.request(uuid))
            let (image, spec) = (volume.id.image, volume.id.imageSpec)
            let id = try #require(try await census.pool.imageID(named: image))
            let words = "--io-type write --io-size 4K --io-total 4K"
            func sum() async throws -> String {
                try await cluster.execute("sh", "-ec", "rbd export --no-progress \(spec) - | sha256sum")
            }
            try await cluster.execute("sh", "-ec", "rbd bench \(words) \(spec)")
            let before = try await sum()
            let prefix = dataPool.isEmpty ? "rbd_data.\(id)" : "rbd_data.\(census.pool.poolID).\(id)"
            let info = try await cluster.execute("rbd", "info", spec)
            #expect(info.contains("block_name_prefix: \(prefix)\n"), "\(info)")
            try await census.removeObject(ImageObject.header(ofID: id))
            if !hasMap { try await census.removeObject(ImageObject.objectMap(ofID: id)) }
            for deed in ["create", "delete"] {
                do {
                    if deed == "create" {
                        _ = try await bench.create(bench.request(uuid))
                    } else {
                        try await bench.delete(volume.id.description)
                    }
                    Issue.record("\(deed) was done")
                } catch let error as VolumeError {
                    #expect(error.code == .failedPrecondition, "\(deed): \(error.message)")
                    for word in ["rbd_header.\(id)", "\(prefix).", "'An image lost its header'"] {
                        #expect(error.message.contains(word), "\(deed): \(error.message)")
                    }
                    // The part of the offered command that only reads.
                    let listing = try #require(
                        error.message.components(separatedBy: "for good: ").last?.components(separatedBy: " | xargs")
                            .first
                    )
                    let listed = try await cluster.execute("sh", "-ec", listing).split(separator: "\n")
                    #expect(!listed.isEmpty && listed.allSatisfy { $0.hasPrefix("\(prefix).") }, "\(deed): \(listed)")
                }
            }
            let status = try await bench.service.status(of: volume.id.description, deadline: .now + .seconds(60))
            #expect(status.condition.isAbnormal && status.condition.message.contains("rbd_header.\(id)"), "\(status)")
            #expect(try await census.pool.imageID(named: image) == id)
            // As the runbook has it.
            try await cluster.execute(
                "bash",
                "-ec",
                """
                rbd create rbd/stand-in --size 64M --image-feature layering \(dataPool.isEmpty ? "" : "--data-pool \(dataPool)")
                other=$(rbd info rbd/stand-in | sed -n 's/.*id: //p')
                rados -p rbd cp rbd_header.$other rbd_header.\(id)
                prefix=\(prefix); printf "\\\\$(printf %o ${#prefix})\\0\\0\\0%s" $prefix |
                    rados -p rbd setomapval rbd_header.\(id) object_prefix
                rados -p rbd rm rbd_object_map.\(id) || true
                rbd image-meta set \(spec) nacre.io/request-name pvc-\(uuid)
                rbd rm --no-progress rbd/stand-in
                """
            )
            #expect(try await sum() == before)
            let again = try await bench.create(bench.request(uuid))
            #expect(again.id == volume.id)
            #expect(try await sum() == before)
            try await bench.delete(volume.id.description)
            #expect(try await census.hasNoTrace(of: image))
        }
    }

    @Test("An image that lost its name beside its data is not made anew; the printed command brings it back")
    func lostName() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let uuid = UUID().uuidString.lowercased()
            let census = try PoolCensus(cluster, pool: "rbd")
            let bench = try bench(cluster.lab(), cluster, dataPool: "")
            let volume = try await bench.create(bench.request(uuid))
            let (image, spec) = (volume.id.image, volume.id.imageSpec)
            let id = try #require(try await census.pool.imageID(named: image))
            let words = "--io-type write --io-size 4K --io-total 4K"
            try await cluster.execute("sh", "-ec", "rbd bench \(words) \(spec)")
            let sum = "rbd export --no-progress \(spec) - | sha256sum"
            let before = try await cluster.execute("sh", "-ec", sum)
            try await census.removeObject("rbd_id.\(image)")
            var command = ""
            for service in [bench, try self.bench(cluster.lab(), cluster, dataPool: "")] {
                do {
                    _ = try await service.create(service.request(uuid))
                    Issue.record("it was made anew")
                } catch let error as VolumeError {
                    #expect(error.code == .failedPrecondition, "\(error.message)")
                    let told = error.message.firstMatch(of: /to have it back with its data: (printf [^;]+ -)/)
                    command = String(try #require(told?.output.1, "\(error.message)"))
                }
                #expect(try await census.pool.imageID(named: image) == nil)
            }
            try await cluster.execute("sh", "-ec", command)
            #expect(try await bench.create(bench.request(uuid)).id == volume.id)
            #expect(try await census.pool.imageID(named: image) == id)
            #expect(try await cluster.execute("sh", "-ec", sum) == before)
            // A delete takes it also without its name.
            try await census.removeObject("rbd_id.\(image)")
            try await bench.delete(volume.id.description)
            #expect(try await census.hasNoTrace(of: image))
        }
    }

    @Test("A move to the trash that was broken off is seen, ended by a second delete or the scan, and can be undone")
    func brokenOffMove() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let census = try PoolCensus(cluster, pool: "rbd")
            let lab = cluster.lab(retention: .seconds(3600))
            let bench = try bench(lab, cluster)
            for isScanned in [false, true] {
                let volume = try await bench.create(bench.request(UUID().uuidString.lowercased()))
                let image = volume.id.image
                let id = try #require(try await census.pool.imageID(named: image))
                // Begun long ago, for a scan does not disturb a move that is under way.
                try await census.markAsTrashed(id, at: 0)
                let end = UInt32(Date().timeIntervalSince1970) + 3600
                try await census.addToTrash(RawTrashEntry(id: id, name: image, state: .moving, keptUntil: end))
                try await census.removeObject(ImageObject.id(ofName: image))
                let status = try await bench.service.status(of: volume.id.description, deadline: .now + .seconds(60))
                #expect(status.condition.message.contains("broken off"), "\(status)")
                if !isScanned { try await bench.delete(volume.id.description) }
                _ = try await lab.store.trash.adoptTrash(ofCluster: cluster.clusterID)
                #expect(try await census.hasNoTrace(of: image))
                let error = await #expect(throws: VolumeError.self) {
                    _ = try await bench.service.status(of: volume.id.description, deadline: .now + .seconds(60))
                }
                #expect(error?.code == .notFound, "\(error?.message ?? "")")
                let found = try await lab.store.trash.deletedVolumes(
                    clusterID: nil,
                    pool: "rbd",
                    credentials: cluster.provisioner
                )
                let deleted = try #require(try found.flatMap { try $0.get() }.first { $0.imageID == id })
                try await lab.store.trash.undelete(deleted, credentials: cluster.provisioner)
                #expect(try await census.pool.imageID(named: image) == id)
            }
        }
    }

    @Test(
        "A delete killed after it took the name, then a create killed before it listed its image: a delete takes both",
        arguments: [ObjectCalls.onTestedReleases, .never]
    )
    func namesake(calls: ObjectCalls) async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let census = try PoolCensus(cluster, pool: "rbd")
            let lab = cluster.lab(objectCalls: calls)
            let bench = try bench(lab, cluster)
            let uuid = UUID().uuidString.lowercased()
            let volume = try await bench.create(bench.request(uuid))
            let image = volume.id.image
            let first = try #require(try await census.pool.imageID(named: image))
            try await HalfMade.movingWithoutID.make(of: image, id: first, in: census)
            // What a killed create has made: by rbd, under a name that is exchanged below its feet.
            try await cluster.execute(
                "sh",
                "-ec",
                """
                rbd create rbd/next-\(uuid) --size 64M --image-feature layering,exclusive-lock,object-map,fast-diff
                rbd image-meta set rbd/next-\(uuid) nacre.io/request-name pvc-\(uuid)
                rados -p rbd get rbd_id.next-\(uuid) /tmp/next-\(uuid)
                rados -p rbd put rbd_id.\(image) /tmp/next-\(uuid)
                rados -p rbd rm rbd_id.next-\(uuid)
                rm /tmp/next-\(uuid)
                """
            )
            let second = try #require(try await census.pool.imageID(named: image))
            try await census.unlist("next-\(uuid)", id: second)
            #expect(try await census.pool.listedID(of: image) == first && first != second)

            try await bench.delete(volume.id.description)
            #expect(try await census.hasNoTrace(of: image))
            #expect(try await census.pool.listedID(of: image) == nil)
            try await eventually("the trash is empty", within: .seconds(240)) {
                _ = try await lab.store.trash.adoptTrash(ofCluster: cluster.clusterID)
                lab.purger.wake()
                return try await census.rawTrash().isEmpty
            }
            for id in [first, second] { #expect(try await !census.holds(ImageObject.header(ofID: id))) }
        }
    }

    @Test("A volume whose image lost its name stays in the trash for its time when it is deleted, and comes back")
    func lostNameIsKept() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let census = try PoolCensus(cluster, pool: "rbd")
            let lab = cluster.lab(retention: .seconds(3600))
            let bench = try bench(lab, cluster)
            let volume = try await bench.create(bench.request(UUID().uuidString.lowercased()))
            let id = try #require(try await census.pool.imageID(named: volume.id.image))
            try await census.removeObject(ImageObject.id(ofName: volume.id.image))
            try await bench.delete(volume.id.description)
            let look = try await lab.store.trash.adoptTrash(ofCluster: cluster.clusterID)
            #expect(look.due == 0 && look.kept == 1, "\(look)")
            let found = try await lab.store.trash.deletedVolumes(
                clusterID: nil,
                pool: "rbd",
                credentials: cluster.provisioner
            )
            let deleted = try #require(try found.flatMap { try $0.get() }.first { $0.imageID == id })
            try await lab.store.trash.undelete(deleted, credentials: cluster.provisioner)
            #expect(try await census.pool.imageID(named: volume.id.image) == id)
        }
    }

    /// An incomplete image and a service that never saw the complete one.
    struct Subject: Sendable {
        let state: HalfMade
        let uuid: String
        let id: String
        let census: PoolCensus
        let lab: MicroCluster.Lab
        let bench: VolumeBehaviour.Bench
        let clusterID: String
        var image: String { "csi-vol-\(uuid)" }
    }

    private func withEachState(_ body: @escaping @Sendable (Subject) async throws -> Void) async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let (maker, lab) = (cluster.lab(), cluster.lab())
            let census = try PoolCensus(cluster, pool: "rbd")
            try await withThrowingTaskGroup { group in
                for state in HalfMade.allCases {
                    group.addTask {
                        let uuid = UUID().uuidString.lowercased()
                        let making = try bench(maker, cluster)
                        _ = try await making.create(making.request(uuid))
                        let id = try #require(try await census.pool.imageID(named: "csi-vol-\(uuid)"))
                        if state.keepsHeader {
                            let words = "--io-type write --io-size 4K --io-total 4K"
                            try await cluster.execute("sh", "-ec", "rbd bench \(words) rbd/csi-vol-\(uuid)")
                        }
                        try await state.make(of: "csi-vol-\(uuid)", id: id, in: census)
                        try await body(
                            Subject(
                                state: state,
                                uuid: uuid,
                                id: id,
                                census: census,
                                lab: lab,
                                bench: bench(lab, cluster),
                                clusterID: cluster.clusterID
                            )
                        )
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private func bench(
        _ lab: MicroCluster.Lab,
        _ cluster: MicroCluster,
        dataPool: String = ""
    ) throws -> VolumeBehaviour.Bench {
        var parameters = ["clusterID": try cluster.clusterID, "pool": "rbd"]
        if !dataPool.isEmpty { parameters["dataPool"] = dataPool }
        return VolumeBehaviour.Bench(
            service: lab.service,
            parameters: parameters,
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    private func deleteLeavesNothing(_ subject: Subject) async throws {
        for _ in 0..<2 { try await subject.bench.delete("\(subject.clusterID)/rbd//\(subject.image)") }
        let (census, id) = (subject.census, subject.id)
        #expect(try await census.hasNoTrace(of: subject.image), "\(subject.state)")
        guard !subject.state.isOthers else {
            for _ in 0..<2 { _ = try await subject.lab.store.trash.adoptTrash(ofCluster: subject.clusterID) }
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await census.rawTrash().contains { $0.id == id }, "\(subject.state)")
            #expect(try await census.holds(ImageObject.header(ofID: id)), "\(subject.state)")
            return
        }
        try await eventually("\(subject.state): the trash is empty", within: .seconds(240)) {
            _ = try await subject.lab.store.trash.adoptTrash(ofCluster: subject.clusterID)
            subject.lab.purger.wake()
            return try await !census.rawTrash().contains { $0.name == subject.image || $0.id == id }
        }
        let data = "rbd_data.\(id).\(String(repeating: "0", count: 16))"
        for object in [ImageObject.header(ofID: id), ImageObject.objectMap(ofID: id), data] {
            #expect(try await !census.holds(object), "\(subject.state): \(object) is left")
        }
    }
}
