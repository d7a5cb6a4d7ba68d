import CephVolumes
import Foundation
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

/// What snapshots and clones are on Ceph, by the word of `rbd`.
@Suite("Snapshots and clones on Ceph", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct SnapshotsOnCephTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let lab: MicroCluster.Lab
    let bench: VolumeBehaviour.Bench
    let uuid = UUID().uuidString.lowercased()
    let other = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }
    var copy: String { "csi-vol-\(other)" }

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
        lab = cluster.lab()
        bench = VolumeBehaviour.Bench(
            service: lab.service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    @discardableResult
    private func shell(_ script: String) async throws -> String {
        try await cluster.execute("bash", "-ec", "name=\(image) image=rbd/\(image) copy=rbd/\(copy)\n\(script)")
    }

    private func checksum(_ spec: String) async throws -> String {
        try await shell("rbd export --no-progress \(spec) - | sha256sum")
    }

    private func refusal(_ body: () async throws -> Void) async -> VolumeError? {
        do {
            try await body()
            Issue.record("it was done")
            return nil
        } catch {
            return error as? VolumeError
        }
    }

    /// A snapshot whose name nobody else has.
    private func take(_ name: String, of volume: VolumeID) async throws -> Snapshot {
        try await bench.take("\(name)-\(uuid)", of: volume)
    }

    /// Looks into the trash, as a service does, until an image that was kept is gone.
    private func expectRelease(of imageID: String) async throws {
        let end = ContinuousClock.now + .seconds(240)
        let name = KeptMark.name(ofImageID: imageID)
        while try await census.images(prefix: name).contains(name) {
            try #require(.now < end, "'\(name)' is still there")
            _ = try await lab.store.trash.adoptTrash(ofCluster: cluster.clusterID)
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    @Test("A snapshot whose removal was killed inside librbd goes when that is repeated, and so does its volume")
    func halfRemoved() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let imageID = try #require(try await census.pool.imageID(named: image))
        let snapshot = try await take("s", of: volume.id)
        let number = try #require(try await census.pool.snapshots(ofImageID: imageID)?.first?.id)
        // The first step of rbd snap rm: the snapshot has a random name from here on.
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
        let call = ClassCall("rbd", "snapshot_trash_add", input: bytes)
        try await census.pool.execute(call, on: ImageObject.header(ofID: imageID))
        let lying = try await shell("rbd snap ls --all $image")
        // Ceph 16 has the former name alone there, and 20 more.
        #expect(lying.contains("trash (") && lying.contains(snapshot.id.name), "\(lying)")
        try await bench.service.deleteSnapshot(
            snapshot.id.description,
            credentials: cluster.provisioner,
            deadline: .now + .seconds(60)
        )
        #expect(try await shell("rbd snap ls --all $image").isEmpty)
        try await bench.delete(volume.id.description)
        #expect(try await census.hasNoTrace(of: image))
        #expect(try await !census.images(prefix: "csi-kept-").contains(KeptMark.name(ofImageID: imageID)))
    }

    @Test("A snapshot has the data of its moment, and so has a clone, also once its source is gone")
    func data() async throws {
        let volume = try await bench.create(bench.request(uuid))
        try await shell("rbd bench --io-type write --io-size 64K --io-total 8M --io-pattern rand $image")
        let then = try await checksum("$image")
        let snapshot = try await take("s", of: volume.id)
        // rbd bench draws places and bytes by the second.
        try await shell("sleep 1.1; rbd bench --io-type write --io-size 64K --io-total 8M --io-pattern rand $image")
        let now = try await checksum("$image")
        #expect(now != then)
        let clone = try await bench.create(bench.clone(other, from: .snapshot(snapshot.id.description)))
        #expect(try await checksum("$copy") == then)
        let fresh = UUID().uuidString.lowercased()
        let present = try await bench.create(bench.clone(fresh, from: .volume(volume.id.description)))
        #expect(try await checksum("rbd/\(present.id.image)") == now)
        try await bench.delete(volume.id.description)
        try await bench.remove(snapshot.id.description)
        #expect(try await checksum("$copy") == then)
        #expect(try await checksum("rbd/\(present.id.image)") == now)
        let info = try await shell("rbd info $copy")
        #expect(info.contains("parent: rbd/csi-kept-"), "\(info)")
        for id in [clone.id, present.id] { try await bench.delete(id.description) }
        try await expectRelease(of: snapshot.id.imageID)
    }

    @Test("A volume that another client writes to is snapshot and cloned while that goes on")
    func inUse() async throws {
        let volume = try await bench.create(bench.request(uuid))
        // It writes until it is told to end, however long the rest takes.
        let end = "/tmp/nacre-writer-\(uuid)"
        let writer = Task {
            try await self.shell(
                """
                rbd bench --io-type write --io-size 4K --io-threads 4 --io-total 64G $image > /dev/null 2>&1 & bench=$!
                for second in $(seq 900); do [ ! -e \(end) ] && kill -0 $bench || break; sleep 0.2; done
                rm -f \(end); kill -KILL $bench || true; wait $bench || true
                """
            )
        }
        try await eventually("somebody writes", within: .seconds(90)) {
            try await !shell("rbd status $image").contains("Watchers: none")
        }
        let snapshot = try await take("s", of: volume.id)
        let clone = try await bench.create(bench.clone(other, from: .volume(volume.id.description)))
        // It has gone on.
        #expect(try await !shell("rbd status $image").contains("Watchers: none"))
        let error = await refusal { try await bench.delete(volume.id.description) }
        #expect(
            error?.code == .failedPrecondition && error?.message.contains("has it open") == true,
            "\(error?.message ?? "")"
        )
        #expect(FileManager.default.createFile(atPath: end, contents: nil))
        _ = try await writer.value
        let first = try await checksum("$image@\(snapshot.id.name)")
        #expect(try await checksum("$image@\(snapshot.id.name)") == first)
        try await bench.remove(snapshot.id.description)
        try await bench.delete(clone.id.description)
    }

    @Test("A snapshot of a volume without a file system says so, whatever is made on the volume later")
    func formatMark() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let blank = try await take("blank", of: volume.id)
        try await shell("rbd image-meta set $image \(ImageMetadataKey.format) 'formatted ext4'")
        let made = try await take("made", of: volume.id)
        try await shell("rbd image-meta remove $image \(ImageMetadataKey.format)")
        for (snapshot, mark) in [(blank, nil), (made, "formatted ext4")] as [(Snapshot, String?)] {
            let name = UUID().uuidString.lowercased()
            let clone = try await bench.create(bench.clone(name, from: .snapshot(snapshot.id.description)))
            let metadata = try await bench.service.metadata(
                of: clone.id.description,
                credentials: bench.credentials,
                deadline: .now + .seconds(30)
            )
            #expect(metadata[ImageMetadataKey.format] == mark)
            try await bench.delete(clone.id.description)
        }
        for snapshot in [blank, made] { try await bench.remove(snapshot.id.description) }
        try await bench.delete(volume.id.description)
    }

    @Test("Snapshots made by hand hold their volume as before, alone and beside Nacre's")
    func foreign() async throws {
        let volume = try await bench.create(bench.request(uuid))
        try await shell("rbd snap create --no-progress $image@mine")
        for isMixed in [false, true] {
            if isMixed { _ = try await take("s", of: volume.id) }
            let error = await refusal { try await bench.delete(volume.id.description) }
            #expect(
                error?.code == .failedPrecondition && error?.message.contains("mine") == true,
                "\(error?.message ?? "")"
            )
        }
        let listed = try await bench.service.snapshots(
            of: volume.id.description,
            maximum: 0,
            token: "",
            deadline: .now + .seconds(30)
        )
        #expect(listed.snapshots.count == 1)
        try await shell("rbd snap rm --no-progress $image@mine")
        for snapshot in listed.snapshots { try await bench.remove(snapshot.id.description) }
        try await bench.delete(volume.id.description)
    }

    @Test("A snapshot with a name of Nacre's and no record is nobody's: not found, not removed, not taken for one")
    func withoutRecord() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let snapshot = try await take("s", of: volume.id)
        let key = ImageMetadataKey.snapshotPrefix + snapshot.id.name
        let record = try await shell("rbd image-meta get $image \(key)")
        try await shell("rbd image-meta remove $image \(key)")
        await #expect { _ = try await bench.snapshot(snapshot.id.description) } throws: {
            ($0 as? VolumeError)?.code == .notFound
        }
        for body in [
            { _ = try await take("s", of: volume.id) }, { try await bench.remove(snapshot.id.description) },
            { try await bench.delete(volume.id.description) },
        ] as [() async throws -> Void] {
            let error = await refusal(body)
            #expect(error?.code == .failedPrecondition, "\(error?.message ?? "")")
        }
        let there = try await shell("rbd snap ls $image")
        #expect(there.contains(snapshot.id.name))
        let text = record.trimmingCharacters(in: .whitespacesAndNewlines)
        try await shell("rbd image-meta set $image \(key) '\(text)'")
        try await bench.remove(snapshot.id.description)
        try await bench.delete(volume.id.description)
    }

    @Test("Of a snapshot that was begun, each part is found and removed; one without a record is nobody's")
    func begunParts() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let id = try await take("s", of: volume.id).id
        let key = ImageMetadataKey.snapshotPrefix + id.name
        let begun = { try await bench.begun("s-\(uuid)", of: volume.id) }
        #expect(try await begun() == id)
        // The record and the name.
        try await shell("rbd snap rm --no-progress $image@\(id.name)")
        #expect(try await begun() == id)
        try await bench.remove(id.description)
        #expect(try await begun() == nil)
        let left = "rbd image-meta list $image; rados --pool rbd listomapkeys nacre_snapshots"
        #expect(try await !shell(left).contains(id.name))
        // The name alone.
        _ = try await take("s", of: volume.id)
        try await shell("rbd snap rm --no-progress $image@\(id.name); rbd image-meta remove $image \(key)")
        #expect(try await begun() == id)
        try await bench.remove(id.description)
        #expect(try await begun() == nil)
        #expect(try await !shell(left).contains(id.name))
        // A snapshot without its record.
        _ = try await take("s", of: volume.id)
        try await shell("rbd image-meta remove $image \(key)")
        #expect(try await begun() == nil)
        try await shell("rbd snap rm --no-progress $image@\(id.name)")
        try await bench.remove(id.description)
        try await bench.delete(volume.id.description)
    }

    @Test("A protected snapshot is not removed, and it is said why")
    func protected() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let snapshot = try await take("s", of: volume.id)
        try await shell("rbd snap protect $image@\(snapshot.id.name)")
        for body in [
            { try await bench.remove(snapshot.id.description) }, { try await bench.delete(volume.id.description) },
        ] as [() async throws -> Void] {
            let error = await refusal(body)
            #expect(
                error?.code == .failedPrecondition && error?.message.contains("unprotect") == true,
                "\(error?.message ?? "")"
            )
        }
        try await shell("rbd snap unprotect $image@\(snapshot.id.name)")
        try await bench.remove(snapshot.id.description)
        try await bench.delete(volume.id.description)
    }

    @Test("A lost index of names, and one that is wrong, cost nothing")
    func index() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let second = try await bench.create(bench.request(other))
        let snapshot = try await take("s", of: volume.id)
        try await shell("rados --pool rbd rmomapkey nacre_snapshots metadata_\(snapshot.id.name)")
        #expect(try await take("s", of: volume.id) == snapshot)
        #expect(try await bench.snapshot(snapshot.id.description) == snapshot)
        try await bench.remove(snapshot.id.description)
        let again = try await take("s", of: volume.id)
        // It says that the name is an image's that has no such snapshot.
        let id = try #require(try await census.pool.imageID(named: copy))
        try await shell("rados --pool rbd setomapval nacre_snapshots metadata_\(again.id.name) \(id)")
        #expect(try await take("s", of: volume.id) == again)
        try await bench.remove(again.id.description)
        #expect(try await take("s", of: second.id).source == second.id)
        try await bench.remove(try await take("s", of: second.id).id.description)
        for id in [volume.id, second.id] { try await bench.delete(id.description) }
    }

    /// What a kill leaves of a clone within librbd.
    enum HalfClone: CaseIterable, Sendable {
        case markAlone, empty, withoutMap, idAlone, whole, withoutMetadata

        /// The mark is as its maker writes it: the image's id begins with the number of the client that made it.
        func script(_ snapshot: String) -> String {
            let mark = """
                id=$(rbd info --format json $copy | jq -r .id)
                snap=$(rbd snap ls --format json $image | jq -r '.[] | select(.name == "\(snapshot)") | .id')
                pool=$(ceph osd lspools --format json | jq -r '.[] | select(.poolname == "rbd") | .poolnum')
                parent=$(rbd info --format json $image | jq -r .id)
                rados --pool rbd setomapval nacre_cloning.$(basename $copy) metadata_client.$((16#${id:0:-8})) \
                    "{\\"time\\":\\"$begun\\",\\"pool\\":\\"$pool\\",\\"image\\":\\"$parent\\",\\"snapshot\\":\\"$snap\\"}"

                """
            let empty = "rbd create --size 64M $copy\n" + mark
            let clone = "rbd clone --rbd-default-clone-format 2 $image@\(snapshot) $copy\n" + mark
            let rest =
                switch self {
                case .markAlone: ""
                case .empty: empty
                case .withoutMap: empty + "rados --pool rbd rm rbd_object_map.$id"
                case .idAlone: empty + "rados --pool rbd rm rbd_header.$id rbd_object_map.$id"
                case .whole: clone
                case .withoutMetadata:
                    clone + """
                        for key in $(rbd image-meta list --format json $copy | jq -r 'keys[]'); do
                            rbd image-meta remove $copy $key
                        done
                        """
                }
            return "begun=$(date +%s); rados --pool rbd create nacre_cloning.$(basename $copy)\n" + rest
        }
    }

    @Test(
        "What a killed clone left is never a volume: the next create makes it anew",
        arguments: HalfClone.allCases,
        [true, false]
    )
    func halfMade(_ half: HalfClone, isCreated: Bool) async throws {
        let volume = try await bench.create(bench.request(uuid))
        try await shell("rbd bench --io-type write --io-size 64K --io-total 4M $image")
        let then = try await checksum("$image")
        let snapshot = try await take("s", of: volume.id)
        try await shell(half.script(snapshot.id.name))
        let handle = try VolumeID(clusterID: cluster.clusterID, pool: "rbd", namespace: "", image: copy)
        if isCreated {
            let clone = try await bench.create(bench.clone(other, from: .snapshot(snapshot.id.description)))
            #expect(clone.id == handle)
            #expect(try await checksum("$copy") == then)
            let info = try await shell("rbd info $copy")
            #expect(info.contains("parent: rbd/\(image)@\(snapshot.id.name)"), "\(info)")
        }
        try await bench.delete(handle.description)
        #expect(try await census.hasNoTrace(of: copy))
        let left = try await shell("rados --pool rbd ls | grep -c nacre_cloning.\(copy) || true")
        #expect(left.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
        try await bench.remove(snapshot.id.description)
        try await bench.delete(volume.id.description)
    }

    @Test("An image of another program that has the clone's name is refused, and stays")
    func stranger() async throws {
        let volume = try await bench.create(bench.request(uuid))
        try await shell("rbd create --size 64M $copy")
        let error = await refusal {
            _ = try await bench.create(bench.clone(other, from: .volume(volume.id.description)))
        }
        #expect(error?.code == .failedPrecondition, "\(error?.message ?? "")")
        #expect(try await census.isWhole(copy))
        try await shell("rbd rm --no-progress $copy")
        try await bench.delete(volume.id.description)
    }

    @Test("A source without layering cannot be cloned, and it is said what to do")
    func layering() async throws {
        let volume = try await bench.create(bench.request(uuid, adding: ["imageFeatures": "exclusive-lock"]))
        let error = await refusal {
            _ = try await bench.create(bench.clone(other, from: .volume(volume.id.description)))
        }
        #expect(error?.message.contains("layering") == true, "\(error?.message ?? "")")
        #expect(try await census.hasNoTrace(of: copy))
        try await bench.delete(volume.id.description)
    }

    @Test("A clone in another pool, with other features and a data pool, is what its class says")
    func otherPool() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let features = "layering,exclusive-lock,object-map,fast-diff"
        let request = try bench.clone(
            other,
            from: .volume(volume.id.description),
            adding: ["pool": "replicapool", "imageFeatures": features, "dataPool": "rbd"]
        )
        let clone = try await bench.create(request)
        #expect(clone.id.pool == "replicapool")
        #expect(try await bench.create(request) == clone)
        let info = try await shell("rbd info replicapool/$(basename $copy)")
        #expect(info.contains("data_pool: rbd") && info.contains("parent: rbd/"), "\(info)")
        let id = try #require(try await census.pool.imageID(named: image))
        try await bench.delete(volume.id.description)
        #expect(try await census.isWhole(KeptMark.name(ofImageID: id)))
        try await bench.delete(clone.id.description)
        try await expectRelease(of: id)
    }

    @Test("A long chain of clones is flattened behind the scenes, and its data stays")
    func flattening() async throws {
        let nacre = try NacreProcess(cluster)
        let process = try await nacre.start()
        let volume = try await bench.create(bench.request(uuid))
        try await shell("rbd bench --io-type write --io-size 64K --io-total 4M $image")
        let then = try await checksum("$image")
        var chain = [volume.id]
        for _ in 0..<9 {
            let name = UUID().uuidString.lowercased()
            chain.append(
                try await bench.create(bench.clone(name, from: .volume(chain[chain.count - 1].description))).id
            )
        }
        let last = chain[9].imageSpec
        try await eventually("the end of the chain is flattened") {
            try await !shell("rbd info \(last)").contains("parent:")
        }
        #expect(try await checksum(last) == then)
        let eighth = try await shell("rbd info \(chain[8].imageSpec)")
        #expect(eighth.contains("parent:"))
        // Another test's service may flatten the same images, and has them open meanwhile.
        for id in chain {
            try await eventually("\(id) is deleted") {
                do {
                    try await bench.delete(id.description)
                    return true
                } catch let error as VolumeError where error.message.contains("has it open") {
                    return false
                }
            }
        }
        #expect(try await process.stop() == .exited(0))
    }
}
