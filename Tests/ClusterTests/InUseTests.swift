import CephVolumes
import Foundation
import RADOS
import RBD
import Synchronization
import TestSupport
import Testing
import Volumes

/// `rbd_trash_move` also moves an image that a client writes to; Delete must not.
@Suite("Images in use", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct InUseTests {
    let cluster: MicroCluster
    /// Its own connection: a client other than the service.
    let other: PoolCensus
    let uuid = UUID().uuidString.lowercased()
    var image: String { "csi-vol-\(uuid)" }

    init() throws {
        cluster = try #require(MicroCluster.current)
        other = try PoolCensus(cluster, pool: "rbd")
    }

    private func bench(_ lab: MicroCluster.Lab) throws -> VolumeBehaviour.Bench {
        VolumeBehaviour.Bench(
            service: lab.service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    private func expectRefused(_ bench: VolumeBehaviour.Bench, _ handle: String) async throws {
        let address = "client.\(other.pool.cluster.instanceID) at "
        do {
            try await bench.delete(handle)
            Issue.record("an image in use was deleted")
        } catch let error as VolumeError {
            #expect(error.code == .failedPrecondition)
            #expect(error.message.contains(address) && error.message.contains("unmap"), "\(error.message)")
        }
    }

    @Test("An image that is open elsewhere stays, and its reader is named; when it is closed, it goes")
    func refuses() async throws {
        let lab = cluster.lab()
        let bench = try bench(lab)
        let volume = try await bench.create(bench.request(uuid))
        let id = try #require(try await other.pool.imageID(named: image))
        try await open { try await expectRefused(bench, volume.id.description) }
        #expect(try await other.isWhole(image))
        #expect(try await other.pool.imageID(named: image) == id)
        #expect(try await !other.rawTrash().contains { $0.id == id })
        try await bench.delete(volume.id.description)
        #expect(try await other.hasNoTrace(of: image))
    }

    /// What holds an image in the trash, what is said of it, and what ends it.
    struct Tie: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let preparation: String
        let words: [String]
        let remedy: String
        /// What would not help.
        var not: [String] = []

        static let all = [
            Tie(
                testDescription: "snapshots",
                preparation: "for n in 1 2; do rbd snap create --no-progress $image@nightly-$n; done",
                words: ["snapshots nightly-1, nightly-2", "rbd snap purge"],
                remedy: "rbd snap purge --no-progress $image",
                not: ["unprotect"]
            ),
            Tie(
                testDescription: "two snapshots, the second of which is protected",
                preparation:
                    "for n in a b; do rbd snap create --no-progress $image@$n; done; rbd snap protect $image@b",
                words: ["snapshots a, b", ": rbd snap unprotect rbd/csi-vol-", "@b; then rbd snap purge rbd/csi-vol-"],
                remedy: "rbd snap unprotect $image@b; rbd snap purge --no-progress $image",
                not: ["@a"]
            ),
            Tie(
                testDescription: "a snapshot whose name is no line",
                preparation: #"rbd snap create --no-progress "$image@$(printf 'a\nb')""#,
                words: [#"snapshot a\u{a}b"#, "rbd snap purge"],
                remedy: "rbd snap purge --no-progress $image"
            ),
            Tie(
                testDescription: "many snapshots",
                preparation: "for n in $(seq 70); do rbd snap create --no-progress $image@s$n; done",
                words: ["snapshots s1, s2", "and more"],
                remedy: "rbd snap purge --no-progress $image"
            ),
            Tie(
                testDescription: "a clone of a snapshot that is gone",
                preparation: """
                    rbd snap create --no-progress $image@base
                    rbd clone --rbd-default-clone-format 2 $image@base $image-clone
                    rbd snap rm --no-progress $image@base
                    """,
                words: ["clones need", "rbd children --all"],
                remedy: "rbd rm --no-progress $image-clone"
            ),
            Tie(
                testDescription: "a group",
                preparation: "rbd group create $image-group; rbd group image add $image-group $image",
                words: ["-group'", "rbd group image rm"],
                remedy: "rbd group image rm $image-group $image; rbd group rm $image-group"
            ),
            Tie(
                testDescription: "a group's snapshot",
                preparation: """
                    rbd group create $image-group; rbd group image add $image-group $image
                    rbd group snap create $image-group@nightly
                    """,
                words: ["rbd group snap rm", "rbd group image rm"],
                remedy: """
                    rbd group snap rm $image-group@nightly
                    rbd group image rm $image-group $image; rbd group rm $image-group
                    """
            ),
        ]
    }

    @Test("An image that Ceph would keep in the trash for ever stays, and what ends that is said", arguments: Tie.all)
    func held(_ tie: Tie) async throws {
        let bench = try bench(cluster.lab())
        let handle = try await bench.create(bench.request(uuid)).id.description
        func shell(_ script: String) async throws {
            try await cluster.execute("bash", "-ec", "image=rbd/\(image)\n\(script)")
        }
        try await shell(tie.preparation)
        for _ in 0..<2 {
            do {
                try await bench.delete(handle)
                Issue.record("it was deleted")
            } catch let error as VolumeError {
                #expect(error.code == .failedPrecondition)
                #expect(tie.words.allSatisfy { error.message.contains($0) }, "\(error.message)")
                #expect(!tie.not.contains { error.message.contains($0) }, "\(error.message)")
            }
        }
        #expect(try await other.isWhole(image))
        // Ceph's own word on it: it takes the image, and does not let it go again. Ceph 20 refuses what is in a group at once.
        let id = try #require(try await other.pool.imageID(named: image))
        try await shell(
            """
            if ! refused=$(rbd trash mv $image 2>&1); then [[ $refused = *"belongs to a group"* ]]; exit; fi
            ! rbd trash rm --no-progress rbd/\(id) || exit 1
            rbd trash restore rbd/\(id)
            """
        )
        try await shell(tie.remedy)
        try await bench.delete(handle)
        #expect(try await other.hasNoTrace(of: image))
    }

    @Test("A list and a look tell who has an image: its node by name, another client by its address")
    func names() async throws {
        let lab = cluster.lab()
        let bench = try bench(lab)
        let volume = try await bench.create(bench.request(uuid))
        func users() async throws -> [[String]] {
            let images = try await lab.store.images(after: nil, limit: 10_000).images
            let listed = try #require(images.first { $0.id == volume.id })
            return [listed.facts.users, try await lab.store.facts(of: volume.id).users]
        }
        #expect(try await users() == [[], []])
        let id = try #require(try await other.pool.imageID(named: image))
        let address = ClientAddress.plain(try other.pool.cluster.addresses())
        try await open {
            #expect(try await users() == [[address], [address]])
            let record = HolderRecord(
                node: "worker-1",
                address: address,
                since: 0,
                mapper: "nbd",
                host: "1",
                bootID: "b"
            )
            try await other.blocking { (pool) throws(RBDError) in try pool.lockAsHolder(record, ofImageID: id) }
            #expect(try await users() == [["worker-1"], ["worker-1"]])
        }
        for client in try await other.pool.clients(ofImageID: id)?.clients ?? [] {
            try await other.pool.breakLocks(of: client, ofImageID: id)
        }
        #expect(try await users() == [[], []])
        let age = Date.now.timeIntervalSince1970 - Double(try await lab.store.facts(of: volume.id).createdAt ?? 0)
        #expect(age > -5 && age < 600, "made \(age) s ago")
        try await bench.delete(volume.id.description)
    }

    @Test(
        "Locks are read and broken by class calls as Ceph's library does it",
        arguments: [
            "true", "rbd lock add $image mine", "rbd lock add --shared t $image a; rbd lock add --shared t $image b",
            "rbd lock add $image 'auto 1'", "rbd lock add $image \"$(printf 'a\\nb\\303\\251')\"",
        ]
    )
    func locks(_ taking: String) async throws {
        let bench = try bench(cluster.lab())
        let volume = try await bench.create(bench.request(uuid))
        let id = try #require(try await other.pool.imageID(named: image))
        func list() async throws -> String {
            try await cluster.execute("rbd", "lock", "ls", "--format", "json", "rbd/\(image)")
        }
        let free = try await list()
        try await cluster.execute("bash", "-ec", "image=rbd/\(image)\n\(taking)")
        let taken = try await list()
        #expect((taken == free) == (taking == "true"), "\(taken)")
        try await other.blocking { (pool) throws(RBDError) in
            let address = (try? pool.cluster.addresses()).map(ClientAddress.plain) ?? ""
            let record = HolderRecord(node: "n", address: address, since: 0, mapper: "nbd", host: "1", bootID: "b")
            try pool.lockAsHolder(record, ofImageID: id)
        }
        let byLibrary = try await other.blocking { (pool) throws(RBDError) in try pool.clients(ofImageID: id) }
        let byCalls = try #require(try await other.pool.clients(ofImageID: id))
        #expect(byCalls.clients == byLibrary?.clients && byCalls.features == byLibrary?.features)
        #expect(byCalls.clients.contains { $0.locks[.holder] != nil })
        for client in byCalls.clients { try await other.pool.breakLocks(of: client, ofImageID: id) }
        // A second time, nothing is left to break.
        for client in byCalls.clients { try await other.pool.breakLocks(of: client, ofImageID: id) }
        #expect(try await list() == free)
        let left = try await other.blocking { (pool) throws(RBDError) in try pool.clients(ofImageID: id) }
        #expect(left?.clients.isEmpty == true)
        try await bench.delete(volume.id.description)
    }

    @Test("An image that is opened between the look and the move comes back under its name, with its data")
    func undoes() async throws {
        let other = other
        let image = image
        let slot = Mutex<Image?>(nil)
        let isArmed = Mutex(true)
        let lab = cluster.lab { step in
            guard step.name == VolumeStep.movingToTrash.name, isArmed.withLock({ $0 }) else { return }
            // The step must not end before the image is open; that takes milliseconds.
            let opened = try? Image.open(image, in: other.pool, access: .readWrite)
            slot.withLock { $0 = opened }
        }
        let bench = try bench(lab)
        let volume = try await bench.create(bench.request(uuid))
        let id = try #require(try await other.pool.imageID(named: image))
        try await writeData()
        try await expectRefused(bench, volume.id.description)
        #expect(slot.withLock { $0 != nil }, "the test came too late")
        #expect(try await other.isWhole(image))
        #expect(try await other.pool.imageID(named: image) == id)
        #expect(try await !other.rawTrash().contains { $0.id == id })
        #expect(try await readData() == Self.data)
        isArmed.withLock { $0 = false }
        await other.blocking { _ in slot.withLock { $0.take() }?.close() }
        try await eventually("the image is deleted once it is closed") {
            do {
                try await bench.delete(volume.id.description)
                return true
            } catch let error as VolumeError where error.code == .failedPrecondition {
                return false
            }
        }
        #expect(try await other.hasNoTrace(of: image))
    }

    private static let data = "a live database"

    private func writeData() async throws {
        try await python("image.write(b'\(Self.data)', 0)")
    }

    private func readData() async throws -> String {
        try await python("print(image.read(0, \(Self.data.utf8.count)).decode(), end='')")
    }

    /// The image's data through Ceph's Python binding, a third client.
    @discardableResult
    private func python(_ statement: String) async throws -> String {
        try await cluster.execute(
            "/usr/bin/python3",
            "-c",
            """
            import os, rados, rbd
            with rados.Rados(conffile=os.environ['CEPH_CONF']) as cluster, cluster.open_ioctx('rbd') as pool:
                with rbd.Image(pool, '\(image)') as image:
                    \(statement)
            """
        )
    }

    /// Keeps the image open on the other connection while `body` runs.
    private func open(_ body: () async throws -> Void) async throws {
        let image = image
        let opened = try await other.blocking { (pool) throws(RBDError) in
            try Image.open(image, in: pool, access: .readWrite)
        }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        await other.blocking { _ in opened.close() }
        try outcome.get()
    }
}
