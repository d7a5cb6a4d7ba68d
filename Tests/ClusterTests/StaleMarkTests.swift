import CephVolumes
import Foundation
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

/// A mark of a create or a clone that was killed long ago proves nothing of an image that a person gives that name.
@Suite(
    "Marks that killed makers left",
    .serialized,
    .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack))
)
struct StaleMarkTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let nacre: NacreProcess
    let bench: VolumeBehaviour.Bench
    let namespace: String
    /// Parameters of an image that only librbd can make.
    let layout: [String: String]
    let uuid = UUID().uuidString.lowercased()
    let other = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }
    var copy: String { "csi-vol-\(other)" }

    /// The pool and its namespace, as `rbd` takes them.
    var space: String { namespace.isEmpty ? "rbd" : "rbd/\(namespace)" }

    init() throws { try self.init(namespace: "") }

    init(namespace: String, layout: [String: String] = NacreProcess.stripes, configurationPath: String? = nil) throws {
        (self.namespace, self.layout) = (namespace, layout)
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd", namespace: namespace)
        nacre = try NacreProcess(cluster, configurationPath: configurationPath)
        bench = VolumeBehaviour.Bench(
            service: cluster.lab(configurationPath: configurationPath).service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    @discardableResult
    func shell(_ script: String) async throws -> String {
        try await cluster.execute(
            "bash",
            "-ec",
            "name=\(copy) image=\(space)/\(image) copy=\(space)/\(copy)\nwrite() { rbd bench --io-type write --io-size 64K "
                + "--io-total 2M \"$1\"; }\n\(script)"
        )
    }

    func handle(_ image: String) throws -> String { "\(try cluster.clusterID)/rbd/\(namespace)/\(image)" }

    /// The source of a clone, as JSON.
    func source(_ image: String) throws -> String { #"{"volume":{"volumeId":"\#(try handle(image))"}}"# }

    /// Whether the volume has a snapshot that is there for a clone.
    func hasCloneSnapshot(_ spec: String = "$image") async throws -> Bool {
        try await shell("rbd snap ls \(spec)").contains("csi-clone")
    }

    /// Has the real program make the copy by librbd, and die when librbd has made it.
    func killMaker(from source: String?) async throws {
        let step: any OperationStep = source == nil ? VolumeStep.settingMetadata : SnapshotStep.growingClone
        let body = try nacre.createBody("pvc-\(other)", pool: "rbd", bytes: 128 << 20, parameters: layout)
        let end = source.map { #","volumeContentSource":\#($0)}"# } ?? "}"
        let process = try await nacre.start(environment: ["NACRE_CRASH_AT": step.name])
        await #expect(throws: (any Error).self) {
            try await nacre.call(
                "Controller/CreateVolume",
                body.trimmingCharacters(in: .whitespacesAndNewlines).dropLast() + end
            )
        }
        #expect(try await process.end() == .killed(SIGKILL))
        #expect(try await census.pool.imageID(named: copy) != nil, "librbd has not made '\(copy)'")
    }

    func refusal(_ body: () async throws -> Void) async -> VolumeError? {
        do {
            try await body()
            Issue.record("it was done")
            return nil
        } catch {
            return error as? VolumeError
        }
    }

    /// What a person does; `$copy` is what the killed maker left.
    enum Deed: String, CaseIterable, Sendable {
        case create = "rbd rm --no-progress $copy; rbd create --size 64M $copy; write $copy"
        case createEmpty = "rbd rm --no-progress $copy; rbd create --size 64M $copy"
        case clone = "rbd rm --no-progress $copy; rbd clone --rbd-default-clone-format 2 $image@mine $copy"
        case rename = """
            rbd rm --no-progress $copy; rbd create --size 64M $copy-new; write $copy-new; rbd rename $copy-new $copy
            """
        case restore = """
            rbd rm --no-progress $copy; rbd create --size 64M $copy; write $copy; id=$(rbd info --format json $copy | jq -r .id)
            rbd trash mv $copy; rbd trash restore rbd/$id
            """
        case write = "write $copy"
        case snapshot = "rbd snap create --no-progress $copy@mine"
        case note = "rbd image-meta set $copy owner me"
    }

    @Test(
        "An image that a person made, named or changed stays with its data, and it is said what to do",
        arguments: Deed.allCases,
        [true, false]
    )
    func person(_ deed: Deed, isClone: Bool) async throws {
        let volume = try await bench.create(bench.request(uuid))
        try await shell("write $image; rbd snap create --no-progress $image@mine")
        let source = ContentSource.volume(volume.id.description)
        try await killMaker(from: isClone ? #"{"volume":{"volumeId":"\#(try handle(image))"}}"# : nil)
        try await shell(deed.rawValue)
        let sum =
            "rbd export --no-progress $copy - | sha256sum; rbd info $copy | grep -v access_timestamp; rbd snap ls $copy"
        let before = try await shell(sum)
        let mark = "\(isClone ? "nacre_cloning" : "nacre_making").\(copy)"
        for isDeletion in [false, true, false] {
            let error = await refusal {
                if isDeletion { return try await bench.delete(try handle(copy)) }
                _ = try await bench.create(
                    isClone ? bench.clone(other, from: source) : bench.request(other, required: 128 << 20)
                )
            }
            #expect(error?.code == .failedPrecondition, "\(error?.message ?? "")")
            // A copy of a volume's image is no create's, whatever stands beside it.
            let isCopy = deed == .clone && !isClone
            let ways = isCopy ? ["nacre.io/adopted"] : ["rados -p rbd rm \(mark)", "rbd rename rbd/\(copy) NEW-NAME"]
            for words in ["'rbd/\(copy)'"] + ways {
                #expect(error?.message.contains(words) == true, "\(words): \(error?.message ?? "")")
            }
        }
        #expect(try await shell(sum) == before)
        // The way out: then the name is free.
        try await shell("rbd rename $copy $copy-kept")
        try await bench.delete(try handle(copy))
        #expect(try await !census.holds(mark))
        #expect(
            try await shell("rbd export --no-progress $copy-kept - | sha256sum") == String(before.prefix { $0 != "\n" })
                + "\n"
        )
        let left = try await shell("rbd snap ls $image")
        #expect(!left.contains("csi-clone"), "\(left)")
        try await shell("rbd snap purge --no-progress $copy-kept; rbd rm --no-progress $copy-kept")
        try await shell("rbd snap rm --no-progress $image@mine")
        try await bench.delete(volume.id.description)
    }

    @Test("An image's id tells which client had librbd make it")
    func idOfClient() async throws {
        let client = census.pool.cluster.instanceID
        for _ in 0..<20 {
            try await census.blocking { [copy] (context) throws(RBDError) in
                try context.createImage(copy, sizeBytes: 1 << 20, options: ImageOptions())
            }
            let id = try #require(try await census.pool.imageID(named: copy))
            #expect(ImageObject.isID(id, drawnFor: client), "\(id) of client.\(client)")
            #expect(!ImageObject.isID(id, drawnFor: client + 1) && !ImageObject.isID(id, drawnFor: client - 1))
            try await shell("rbd rm --no-progress $copy")
        }
        // Of a number of more than six digits librbd drops the first: the id has 14 digits at most.
        #expect(ImageObject.isID("234567" + "89abcdef", drawnFor: 0x123_4567))
        #expect(ImageObject.isID("1234567" + "9abcdef", drawnFor: 0x123_4567))
        #expect(!ImageObject.isID("123456" + "89abcdef", drawnFor: 0x123_4567))
        #expect(!ImageObject.isID("12" + "345678901", drawnFor: 0x12))
    }

    @Test("A mark that says nothing proves nothing", arguments: ["nacre_making", "nacre_cloning"])
    func emptyMark(_ kind: String) async throws {
        try await shell("rbd create --size 64M $copy; rados --pool rbd create \(kind).$name")
        for isDeletion in [true, false] {
            let error = await refusal {
                if isDeletion { return try await bench.delete(try handle(copy)) }
                _ = try await bench.create(bench.request(other))
            }
            #expect(error?.code == .failedPrecondition, "\(error?.message ?? "")")
            #expect(error?.message.contains("rados -p rbd rm \(kind).\(copy)") == true, "\(error?.message ?? "")")
        }
        #expect(try await census.isWhole(copy))
        try await shell("rbd rm --no-progress $copy; rados --pool rbd rm \(kind).$name")
    }

    @Test(
        "What a killed maker left is completed by the next create, and removed by a delete",
        arguments: [true, false]
    )
    func healing(_ isClone: Bool) async throws {
        let volume = try await bench.create(bench.request(uuid))
        try await heal(isClone, volume)
        try await bench.delete(volume.id.description)
    }

    /// Kills makers, and has what they left completed, and removed.
    func heal(_ isClone: Bool, _ volume: Volume) async throws {
        let source = ContentSource.volume(volume.id.description)
        for isDeletion in [false, true] {
            try await killMaker(from: isClone ? self.source(image) : nil)
            if !isDeletion {
                let made = try await bench.create(
                    isClone
                        ? bench.clone(other, from: source, required: 128 << 20, adding: layout)
                        : bench.request(other, required: 128 << 20, adding: layout)
                )
                #expect(made.capacityBytes == 128 << 20)
                #expect(try await census.isWhole(copy))
            }
            try await bench.delete(try handle(copy))
            #expect(try await census.hasNoTrace(of: copy))
            for mark in ["nacre_making.\(copy)", "nacre_cloning.\(copy)"] {
                #expect(try await !census.holds(mark), "\(mark)")
            }
            #expect(try await !hasCloneSnapshot())
        }
    }

    @Test(
        "Two processes that clone one volume by librbd at once come to one clone, and neither refuses what the other makes"
    )
    func atOnce() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let second = VolumeBehaviour.Bench(
            service: cluster.lab().service,
            parameters: bench.parameters,
            credentials: bench.credentials,
            prefix: "pvc"
        )
        let source = ContentSource.volume(volume.id.description)
        for _ in 0..<3 {
            let made = try await withThrowingTaskGroup(of: Volume.self) { group in
                for bench in [bench, second] {
                    group.addTask { [other] in
                        let end = ContinuousClock.now + .seconds(240)
                        while true {
                            do {
                                return try await bench.create(
                                    bench.clone(other, from: source, required: 128 << 20, adding: NacreProcess.stripes)
                                )
                            } catch let error as VolumeError {
                                #expect(error.code != .failedPrecondition, "\(error.message)")
                                guard .now < end else { throw error }
                                try await Task.sleep(for: .milliseconds(200))
                            }
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(made.count == 2 && made[0].id == made[1].id)
            #expect(try await census.isWhole(copy))
            #expect(try await !census.holds("nacre_cloning.\(copy)"))
            try await bench.delete(try handle(copy))
        }
        let left = try await shell("rbd snap ls $image")
        #expect(!left.contains("csi-clone"), "\(left)")
        try await bench.delete(volume.id.description)
    }

    @Test("A snapshot that a clone of that name left long ago is not what the name's next clone is made of")
    func oldSnapshot() async throws {
        let volume = try await bench.create(bench.request(uuid))
        try await shell("write $image")
        try await killMaker(from: #"{"volume":{"volumeId":"\#(try handle(image))"}}"#)
        // As when another volume got the handle: the record is not of this request's source.
        let key = try await shell(
            "rbd rm --no-progress $copy; rbd image-meta list --format json $image | jq -r 'keys[] | "
                + "select(startswith(\"nacre.snapshot/csi-clone\"))'"
        )
        .trimmingCharacters(in: .whitespacesAndNewlines)
        try await shell(
            """
            rbd image-meta set $image \(key) "$(rbd image-meta get $image \(key) | jq -c '.source = "another"')"
            rbd bench --io-type write --io-size 64K --io-total 8M --io-pattern rand $image
            """
        )
        let now = try await shell("rbd export --no-progress $image - | sha256sum")
        _ = try await bench.create(bench.clone(other, from: .volume(volume.id.description)))
        #expect(try await shell("rbd export --no-progress $copy - | sha256sum") == now)
        try await bench.delete(try handle(copy))
        try await bench.delete(volume.id.description)
    }

    @Test(
        "A clone has the size of the snapshot that it is made of, also where the volume has grown since it was looked at"
    )
    func grown() async throws {
        let volume = try await bench.create(bench.request(uuid))
        try await killMaker(from: #"{"volume":{"volumeId":"\#(try handle(image))"}}"#)
        // The snapshot that it left has 64 MiB, and the volume less by now.
        try await shell("rbd rm --no-progress $copy; rbd resize --no-progress --allow-shrink --size 32M $image")
        let made = try await bench.create(bench.clone(other, from: .volume(volume.id.description)))
        let size = try await shell("rbd info --format json $copy | jq -r .size")
        #expect(size == "\(made.capacityBytes)\n" && made.capacityBytes == 64 << 20, "\(size)")
        try await bench.delete(try handle(copy))
        try await bench.delete(volume.id.description)
    }

    @Test("A volume whose delete was killed before its renaming stays when its last snapshot goes")
    func keptName() async throws {
        let volume = try await bench.create(bench.request(uuid))
        let snapshot = try await bench.take("s-\(uuid)", of: volume.id)
        try await shell("write $image")
        let id = try #require(try await census.pool.imageID(named: image))
        let kept = KeptMark.name(ofImageID: id)
        let mark = KeptMark(volume: try handle(image), image: "rbd/\(kept)", deletedAt: 1, user: "client.t").text
        try await shell(
            """
            cd "$(mktemp -d)"
            rbd image-meta set $image \(ImageMetadataKey.kept) '\(mark)'
            rados --pool rbd get rbd_id.$(basename $image) id; rados --pool rbd put rbd_id.\(kept) id
            """
        )
        let before = try await shell("rbd export --no-progress $image - | sha256sum")
        try await bench.remove(snapshot.id.description)
        #expect(try await shell("rbd ls rbd").contains(image))
        #expect(try await shell("rbd export --no-progress $image - | sha256sum") == before)
        #expect(try await !shell("rbd trash ls rbd").contains(id))
        try await bench.delete(volume.id.description)
        #expect(try await census.hasNoTrace(of: image))
        #expect(try await census.hasNoTrace(of: kept))
    }
}
