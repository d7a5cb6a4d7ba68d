import CephVolumes
import Foundation
import RBD
import TestSupport
import Testing
import Volumes

/// Every row of the table at `SnapshotStep`: the real program is killed at the step, restarted, and called again.
@Suite(
    "Killed at any step of a snapshot or a clone",
    .serialized,
    .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack))
)
struct SnapshotCrashTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let nacre: NacreProcess
    let uuid = UUID().uuidString.lowercased()
    let other = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }
    var clone: String { "csi-vol-\(other)" }

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
        nacre = try NacreProcess(cluster)
    }

    /// Makes a call that does not return, because the process dies at `step`.
    private func crash(_ step: any OperationStep, _ method: String, _ body: String) async throws {
        let process = try await nacre.start(environment: ["NACRE_CRASH_AT": step.name])
        await #expect(throws: (any Error).self) { try await nacre.call(method, body) }
        #expect(try await process.end() == .killed(SIGKILL))
    }

    private func call(_ method: String, _ body: String) async throws -> Answer {
        let answer = try await nacre.ask("Controller/\(method)", body)
        #expect(answer.isOK, "\(method): \(answer)")
        return answer
    }

    private func handle(_ image: String) throws -> String { "\(try cluster.clusterID)/rbd//\(image)" }

    private func deleteBody(_ image: String) throws -> String {
        #"{"volumeId":"\#(try handle(image))","secrets":\#(try nacre.secrets())}"#
    }

    private func snapshotBody() throws -> String {
        #"{"name":"snapshot-\#(uuid)","sourceVolumeId":"\#(try handle(image))","secrets":\#(try nacre.secrets())}"#
    }

    private func cloneBody(_ source: String, _ layout: [String: String] = [:]) throws -> String {
        let body = try nacre.createBody("pvc-\(other)", pool: "rbd", bytes: 128 << 20, parameters: layout)
        return body.trimmingCharacters(in: .whitespacesAndNewlines).dropLast() + #","volumeContentSource":\#(source)}"#
    }

    private func removeBody(_ handle: String) throws -> String {
        #"{"snapshotId":"\#(handle)","secrets":\#(try nacre.secrets())}"#
    }

    /// What `rbd` knows of the image's snapshots, those in Ceph's own trash too.
    private func snapshots(_ image: String) async throws -> String {
        try await cluster.execute("rbd", "snap", "ls", "--all", "--format", "json", "rbd/\(image)")
    }

    private func makeVolume() async throws {
        let maker = try await nacre.start()
        _ = try await call("CreateVolume", nacre.createBody("pvc-\(uuid)", pool: "rbd"))
        try await maker.stop()
    }

    /// The pool has nothing of the test's any more: no image, no snapshot's name, no mark of a clone.
    private func expectNothing(of imageIDs: [String]) async throws {
        let end = ContinuousClock.now + .seconds(240)
        var left: [String] = []
        repeat {
            let names = try await cluster.execute("rados", "--pool", "rbd", "ls").split(separator: "\n").map(
                String.init
            )
            let ours = imageIDs + [uuid, other]
            left = (names + (try census.trash())).filter { name in ours.contains { name.contains($0) } }
            if left.isEmpty { break }
            try await Task.sleep(for: .milliseconds(500))
        } while .now < end
        #expect(left.isEmpty, "\(left)")
        let index = try await cluster.execute(
            "bash",
            "-c",
            "rados --pool rbd listomapkeys nacre_snapshots 2>/dev/null || true"
        )
        #expect(!index.contains(uuid) && !index.contains(other), "\(index)")
    }

    private static let createCases = KillTable.cases(
        "Create a snapshot",
        [SnapshotStep.lookingUpSource, .reservingName, .notingSnapshot, .takingSnapshot, .answeringSnapshot]
    )

    @Test("Create a snapshot", arguments: createCases)
    func create(_ step: SnapshotStep) async throws {
        try await makeVolume()
        try await crash(step, "Controller/CreateSnapshot", snapshotBody())
        let process = try await nacre.start()
        var handle = ""
        for _ in 0..<2 { handle = try await call("CreateSnapshot", snapshotBody()).text("snapshot", "snapshotId") }
        let there = try await snapshots(image)
        #expect(there.components(separatedBy: "csi-snap-\(uuid)").count == 2, "\(there)")
        let id = try #require(try await census.pool.imageID(named: image))
        _ = try await call("DeleteSnapshot", removeBody(handle))
        _ = try await call("DeleteVolume", deleteBody(image))
        try await expectNothing(of: [id])
        #expect(try await process.stop() == .exited(0))
    }

    private static let deleteCases: [(SnapshotStep, Bool)] = KillTable.cases(
        "Delete a snapshot",
        [
            SnapshotStep.lookingUpSnapshot, .removingSnapshot, .forgettingSnapshot, .releasingKept, .answeringSnapshot,
        ].flatMap { step in [false, true].map { (step, $0) } }
    )

    @Test("Delete a snapshot of a volume that is there, and of one that is deleted", arguments: deleteCases)
    func delete(_ step: SnapshotStep, isKept: Bool) async throws {
        try await makeVolume()
        let maker = try await nacre.start()
        let handle = try await call("CreateSnapshot", snapshotBody()).text("snapshot", "snapshotId")
        let id = try #require(try await census.pool.imageID(named: image))
        if isKept { _ = try await call("DeleteVolume", deleteBody(image)) }
        try await maker.stop()
        try await crash(step, "Controller/DeleteSnapshot", removeBody(handle))
        let process = try await nacre.start()
        for _ in 0..<2 { _ = try await call("DeleteSnapshot", removeBody(handle)) }
        if !isKept {
            let there = try await snapshots(image)
            #expect(!there.contains("csi-snap"), "\(there)")
            _ = try await call("DeleteVolume", deleteBody(image))
        }
        try await expectNothing(of: [id])
        #expect(try await process.stop() == .exited(0))
    }

    private static let cloneSteps: [any OperationStep] = [
        VolumeStep.lookingUp, SnapshotStep.lookingUpSource, SnapshotStep.beginningClone, SnapshotStep.takingSnapshot,
        SnapshotStep.cloningImage, VolumeStep.writingHeader, SnapshotStep.growingClone, SnapshotStep.markingClone,
        SnapshotStep.endingClone, VolumeStep.answering,
    ]

    /// Each step once, by turns of a volume and of a snapshot; both of each with `NACRE_EVERY_KILL`.
    private static let cloneCases: [(String, Bool)] = KillTable.cases(
        "Clone a volume, and make one from a snapshot",
        cloneSteps.enumerated().flatMap { number, step in
            // A snapshot is there already.
            let ways = step.name == SnapshotStep.takingSnapshot.name ? [false] : [number % 2 == 0, number % 2 != 0]
            let isAll = ProcessInfo.processInfo.environment["NACRE_EVERY_KILL"] != nil
            return ways.prefix(isAll ? 2 : 1).map { (step.name, $0) }
        }
    )

    @Test("Clone a volume, and make one from a snapshot", arguments: cloneCases)
    func clone(_ step: String, isSnapshot: Bool) async throws {
        // Only what librbd clones is grown and marked.
        let isByLibrbd = [SnapshotStep.growingClone, .markingClone].map(\.name).contains(step)
        try await makeVolume()
        try await cluster.execute(
            "rbd",
            "bench",
            "--io-type",
            "write",
            "--io-size",
            "64K",
            "--io-total",
            "4M",
            "rbd/\(image)"
        )
        try await cluster.execute("rbd", "image-meta", "set", "rbd/\(image)", ImageMetadataKey.format, "formatted ext4")
        let data = try await cluster.execute("bash", "-c", "rbd export --no-progress rbd/\(image) - | sha256sum")
        var source = #"{"volume":{"volumeId":"\#(try handle(image))"}}"#
        var taken = ""
        if isSnapshot {
            let maker = try await nacre.start()
            taken = try await call("CreateSnapshot", snapshotBody()).text("snapshot", "snapshotId")
            source = #"{"snapshot":{"snapshotId":"\#(taken)"}}"#
            try await maker.stop()
        }
        let wanted = try #require(Self.cloneSteps.first { $0.name == step })
        let layout = isByLibrbd ? NacreProcess.stripes : [:]
        try await crash(wanted, "Controller/CreateVolume", cloneBody(source, layout))
        let process = try await nacre.start()
        for _ in 0..<2 {
            let answer = try await call("CreateVolume", cloneBody(source, layout))
            #expect(answer.text("volume", "capacityBytes") == "\(128 << 20)", "\(answer)")
        }
        #expect(try await census.isWhole(clone))
        let copy = try await cluster.execute(
            "bash",
            "-c",
            "rbd export --no-progress rbd/\(clone) - 2> /dev/null | (head -c \(64 << 20) | sha256sum; cat > /dev/null)"
        )
        #expect(copy == data)
        let mark = try await cluster.execute("rbd", "image-meta", "get", "rbd/\(clone)", ImageMetadataKey.format)
        #expect(mark.contains("formatted ext4"), "\(mark)")
        let there = try await snapshots(image)
        #expect(!there.contains(#""name":"csi-clone"#), "\(there)")
        let ids = [
            try #require(try await census.pool.imageID(named: image)),
            try #require(try await census.pool.imageID(named: clone)),
        ]
        if isSnapshot { _ = try await call("DeleteSnapshot", removeBody(taken)) }
        _ = try await call("DeleteVolume", deleteBody(image))
        _ = try await call("DeleteVolume", deleteBody(clone))
        try await expectNothing(of: ids)
        #expect(try await process.stop() == .exited(0))
    }

    private static let keepCases = KillTable.cases(
        "Delete a volume that has a snapshot",
        [VolumeStep.lookingUp, .checkingUse, .recheckingUse, .answering].map(\.name) + [SnapshotStep.keepingImage.name]
    )

    @Test("Delete a volume that has a snapshot", arguments: keepCases)
    func keep(_ step: String) async throws {
        try await makeVolume()
        let maker = try await nacre.start()
        let taken = try await call("CreateSnapshot", snapshotBody()).text("snapshot", "snapshotId")
        let id = try #require(try await census.pool.imageID(named: image))
        try await maker.stop()
        let steps: [any OperationStep] = VolumeStep.allCases + SnapshotStep.allCases
        try await crash(
            try #require(steps.first { $0.name == step }),
            "Controller/DeleteVolume",
            deleteBody(image)
        )
        let process = try await nacre.start()
        for _ in 0..<2 { _ = try await call("DeleteVolume", deleteBody(image)) }
        #expect(try await census.hasNoTrace(of: image))
        #expect(try await census.isWhole(KeptMark.name(ofImageID: id)))
        let found = try await call("GetSnapshot", #"{"snapshotId":"\#(taken)"}"#)
        #expect(found.text("snapshot", "sourceVolumeId") == (try handle(image)), "\(found)")
        _ = try await call("DeleteSnapshot", removeBody(taken))
        try await expectNothing(of: [id])
        #expect(try await process.stop() == .exited(0))
    }

    @Test("A renaming of a deleted volume's image that was killed in between is brought to its end", arguments: 0..<3)
    func renaming(_ steps: Int) async throws {
        try await makeVolume()
        let process = try await nacre.start()
        let taken = try await call("CreateSnapshot", snapshotBody()).text("snapshot", "snapshotId")
        let id = try #require(try await census.pool.imageID(named: image))
        let kept = KeptMark.name(ofImageID: id)
        let mark = KeptMark(volume: try handle(image), image: "rbd/\(kept)", deletedAt: 1, user: "client.t").text
        // What Nacre does one after the other, as far as a kill lets it.
        try await cluster.execute(
            "bash",
            "-ec",
            """
            cd "$(mktemp -d)"; pool="rados --pool rbd"
            rbd image-meta set rbd/\(image) \(ImageMetadataKey.kept) '\(mark)'
            $pool get rbd_id.\(image) id
            case \(steps) in
            1) $pool put rbd_id.\(kept) id ;;
            2) rbd rename rbd/\(image) rbd/\(kept); $pool put rbd_id.\(image) id ;;
            esac
            """
        )
        for _ in 0..<2 { _ = try await call("DeleteVolume", deleteBody(image)) }
        #expect(try await census.hasNoTrace(of: image))
        #expect(try await census.isWhole(kept))
        _ = try await call("DeleteSnapshot", removeBody(taken))
        try await expectNothing(of: [id])
        #expect(try await process.stop() == .exited(0))
    }
}
