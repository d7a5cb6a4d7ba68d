import Foundation
import RADOS
import RBD
import Secrets
import TestSupport
import Testing
import Volumes

/// An image that lost a part of itself, as a person meets it, and where its data begins late.
@Suite("Lost headers", .serialized, .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct LostHeaderTests {
    @Test("A volume whose image lost its header or its name is found by its name, and what helps is said")
    func byName() async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            let service = try NacreProcess(cluster)
            let process = try await service.start()
            let nacre = NacreCommand(service, cluster: cluster)
            let census = try PoolCensus(cluster, pool: "rbd")
            for part in ["header", "name"] {
                let made = try await nacre("volume create \(part) --pool rbd --size 64MiB --quiet")
                let handle = made.output.filter { !$0.isWhitespace }
                let image = try #require(handle.split(separator: "/").last.map(String.init), "\(made)")
                let id = try #require(try await census.pool.imageID(named: image))
                let words = "--io-type write --io-size 4K --io-total 64K"
                try await cluster.execute("sh", "-ec", "rbd bench \(words) rbd/\(image)")
                let lost = part == "header" ? ImageObject.header(ofID: id) : ImageObject.id(ofName: image)
                try await census.removeObject(lost)
                let help = part == "header" ? "'An image lost its header'" : "| rados -p rbd put"
                for flags in ["", " --direct"] {
                    for name in [part, "rbd/\(part)", image, handle] {
                        let shown = try await nacre("volume show \(name)\(flags)")
                        #expect(shown.status == 0, "\(name): \(shown)")
                        for word in [lost, help] { #expect(shown.output.contains(word), "\(name): \(shown)") }
                    }
                    let list = try await nacre("volume list\(flags)")
                    #expect(list.status == 0 && list.output.contains(part == "header" ? image : part), "\(list)")
                }
                guard part == "header" else { continue }
                for name in [part, image, handle] {
                    let plan = try await nacre("volume delete \(name) --plan")
                    #expect(plan.status == 1 && plan.notes.contains(help), "\(plan)")
                    let deleted = try await nacre("volume delete \(name) --yes")
                    #expect(deleted.status == 1, "\(deleted)")
                    for word in [lost, help, "to give its data up for good: rados"] {
                        #expect(deleted.notes.contains(word), "\(name): \(deleted)")
                    }
                }
                #expect(try await census.pool.imageID(named: image) == id)
            }
            #expect(try await process.stop() == .exited(0))
        }
    }

    /// What an image loses; the rest of it is there.
    enum Loss: String, Sendable, CaseIterable { case header, name }

    @Test(
        "Data that begins behind many objects is found where no object map tells of it: nothing is made anew or removed",
        arguments: Loss.allCases,
        ["", "data"]
    )
    func late(loss: Loss, dataPool: String) async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            if !dataPool.isEmpty {
                try await cluster.execute("sh", "-ec", "ceph osd pool create data 1 && rbd pool init data")
            }
            let scene = try Self.scene(cluster, dataPool: dataPool)
            let volume = try await scene.bench.create(scene.bench.request(scene.uuid, required: 1 << 30))
            let (image, census) = (volume.id.image, scene.census)
            let id = try #require(try await census.pool.imageID(named: image))
            let prefix = dataPool.isEmpty ? "rbd_data.\(id)" : "rbd_data.\(census.pool.poolID).\(id)"
            let (place, object) = (dataPool.isEmpty ? "rbd" : dataPool, "\(prefix).00000000000000c8")
            try await cluster.execute("sh", "-ec", "echo row | rados -p \(place) put \(object) -")
            // Others, among which it is one.
            try await cluster.execute("rados", "-p", place, "bench", "1", "write", "-b", "4096", "--no-cleanup")
            let lost = loss == .header ? ImageObject.header(ofID: id) : ImageObject.id(ofName: image)
            try await census.removeObject(lost)
            for deed in loss == .header ? ["create", "delete"] : ["create"] {
                do {
                    if deed == "create" {
                        _ = try await scene.bench.create(scene.bench.request(scene.uuid, required: 1 << 30))
                    } else {
                        try await scene.bench.delete(volume.id.description)
                    }
                    Issue.record("\(deed) was done")
                } catch let error as VolumeError {
                    #expect(error.code == .failedPrecondition, "\(deed): \(error.message)")
                    #expect(error.message.contains(lost), "\(deed): \(error.message)")
                    if loss == .header { #expect(error.message.contains(object), "\(deed): \(error.message)") }
                }
            }
            #expect(try await census.pool.imageID(named: image) == (loss == .header ? id : nil))
            #expect(try await census.pool.listedID(of: image) == id)
            let data = try PoolCensus(cluster, pool: place)
            #expect(try await data.holds(object))
            guard loss == .header else { return }
            // As the printed command does: then nothing hinders the volume any more.
            try await cluster.execute("rados", "-p", place, "rm", object)
            let again = try await scene.bench.create(scene.bench.request(scene.uuid, required: 1 << 30))
            #expect(again.id == volume.id)
            #expect(try await census.isWhole(image))
        }
    }

    @Test(
        "An image that may have data in a pool which its user may not read is not made anew or removed by that user",
        // An object map that nobody built says that there are no data.
        arguments: ["layering", "layering,exclusive-lock,object-map"]
    )
    func refusedPool(features: String) async throws {
        try await FaultyCluster.with { faulty in
            let cluster = faulty.cluster
            try await cluster.execute("sh", "-ec", "ceph osd pool create data 1 && rbd pool init data")
            let scene = try Self.scene(cluster, dataPool: "data", features: features)
            let volume = try await scene.bench.create(scene.bench.request(scene.uuid))
            let (image, census) = (volume.id.image, scene.census)
            let id = try #require(try await census.pool.imageID(named: image))
            let object = "rbd_data.\(census.pool.poolID).\(id).0000000000000000"
            try await cluster.execute("sh", "-ec", "echo row | rados -p data put \(object) -")
            try await census.removeObject(ImageObject.header(ofID: id))
            // What the killed maker of another image left under the name, which is of another client than drew this id.
            let stranger = id.hasPrefix("1") ? 2 : 1
            let left = MakerNotes("nacre_making.\(image)")
            try await census.pool.write(left, "client.\(stranger)", #"{"time":"1"}"#)
            let narrow = try await Narrow(cluster)
            // Neither it nor the service's own user may look; then the service's own user may.
            for (lab, word) in [(narrow.lab, "profile rbd pool=data"), (cluster.lab(), object)] {
                let bench = narrow.bench(lab)
                for deed in ["create", "delete"] {
                    let error = await #expect(throws: VolumeError.self) {
                        if deed == "create" {
                            _ = try await bench.create(bench.request(scene.uuid))
                        } else {
                            try await bench.delete(volume.id.description)
                        }
                    }
                    #expect(error?.code == .failedPrecondition, "\(deed): \(error?.message ?? "")")
                    #expect(error?.message.contains(word) == true, "\(deed): \(error?.message ?? "")")
                }
                #expect(try await census.pool.imageID(named: image) == id)
                #expect(try await census.pool.listedID(of: image) == id)
            }
            // Its own create, which was killed, such a user repeats: beside the name of a plain image it stands that it
            // never had a data pool, and one that librbd makes has its note.
            for isPlain in [true, false] {
                let bench = narrow.bench(narrow.lab, isPlain: isPlain)
                let uuid = UUID().uuidString.lowercased()
                let made = try await bench.create(bench.request(uuid))
                let ownID = try #require(try await census.pool.imageID(named: made.id.image))
                for part in [ImageObject.header(ofID: ownID), ImageObject.objectMap(ofID: ownID)] {
                    try await census.removeObject(part)
                }
                // Where in the id the number of its client ends, it does not say.
                for random in 1...8 where !isPlain && ownID.count > random {
                    guard let number = UInt64(ownID.dropLast(random), radix: 16) else { continue }
                    let note = MakerNotes("nacre_making.\(made.id.image)")
                    try await census.pool.write(note, "client.\(number)", #"{"time":"1"}"#)
                }
                #expect(try await bench.create(bench.request(uuid)).id == made.id)
                #expect(try await census.isWhole(made.id.image))
                try await bench.delete(made.id.description)
            }
        }
    }

    @Test("A look at all objects that takes too long for a call goes on, and a repetition finds what it found")
    func longLook() async throws {
        try await FaultyCluster.with { faulty in
            let lab = faulty.cluster.lab(longestLook: .zero)
            let (bench, census, uuid) = try Self.scene(faulty.cluster, dataPool: "", lab)
            for _ in 0..<2 {
                let volume = try await bench.create(bench.request(uuid))
                let id = try #require(try await census.pool.imageID(named: volume.id.image))
                try await census.removeObject(ImageObject.header(ofID: id))
                let error = await #expect(throws: VolumeError.self) { _ = try await bench.create(bench.request(uuid)) }
                #expect(error?.code == .deadlineExceeded, "\(error?.message ?? "")")
                #expect(try await census.pool.imageID(named: volume.id.image) == id)
                try await eventually("it is made anew") {
                    (try? await bench.create(bench.request(uuid)))?.id == volume.id
                }
            }
        }
    }

    /// A user with the least caps for one pool, who is the service's own, too.
    private struct Narrow {
        let lab: MicroCluster.Lab
        let credentials: Credentials
        let clusterID: String

        init(_ cluster: MicroCluster) async throws {
            let directory = "\(cluster.directory)/narrow"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let caps = "mon 'profile rbd' osd 'profile rbd pool=rbd'"
            let key = try await cluster.execute("sh", "-ec", "ceph auth get-or-create-key client.narrow \(caps)")
            try key.write(toFile: "\(directory)/userKey", atomically: true, encoding: .utf8)
            try "narrow".write(toFile: "\(directory)/userID", atomically: true, encoding: .utf8)
            lab = cluster.lab(secretDirectory: directory)
            credentials = Credentials(userID: "narrow", userKey: Secret(key.filter { !$0.isWhitespace }))
            clusterID = try cluster.clusterID
        }

        func bench(_ lab: MicroCluster.Lab, isPlain: Bool = true) -> VolumeBehaviour.Bench {
            var parameters = ["clusterID": clusterID, "pool": "rbd"]
            if !isPlain { parameters.merge(["stripeUnit": "65536", "stripeCount": "4"]) { $1 } }
            return VolumeBehaviour.Bench(
                service: lab.service,
                parameters: parameters,
                credentials: credentials,
                prefix: "pvc"
            )
        }
    }

    private static func scene(
        _ cluster: MicroCluster,
        dataPool: String,
        _ lab: MicroCluster.Lab? = nil,
        features: String = "layering"
    ) throws -> (bench: VolumeBehaviour.Bench, census: PoolCensus, uuid: String) {
        var parameters = ["clusterID": try cluster.clusterID, "pool": "rbd", "imageFeatures": features]
        if !dataPool.isEmpty { parameters["dataPool"] = dataPool }
        let bench = VolumeBehaviour.Bench(
            service: (lab ?? cluster.lab()).service,
            parameters: parameters,
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
        return (bench, try PoolCensus(cluster, pool: "rbd"), UUID().uuidString.lowercased())
    }
}
