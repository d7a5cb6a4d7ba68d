import Foundation
import RADOS
import RBD
import TestSupport
import Testing
import Volumes

/// Pools and clusters that a command could not look at: they are named, and nothing in them is said not to be there.
@Suite("Pools that are not looked at", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct UnseenPoolTests {
    @Test("What a user may not read is named, by --direct and by a service; nothing there is said to be gone")
    func refused() async throws {
        try await FaultyCluster.with { faulty in
            let service = try NacreProcess(faulty.cluster)
            var nacre = NacreCommand(service, cluster: faulty.cluster)
            #expect(try await nacre("volume create x1 --direct --pool rbd --size 16MiB").status == 0)
            #expect(try await nacre("volume create b1 --direct --pool replicapool --size 16MiB").status == 0)
            let directory = "\(faulty.cluster.directory)/small"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let key = try await faulty.ceph(
                "auth",
                "get-or-create-key",
                "client.small",
                "mon",
                "profile rbd",
                "osd",
                "profile rbd pool=replicapool"
            )
            try "small".write(toFile: "\(directory)/userID", atomically: true, encoding: .utf8)
            try key.trimmingCharacters(in: .whitespacesAndNewlines)
                .write(toFile: "\(directory)/userKey", atomically: true, encoding: .utf8)
            nacre.environment["NACRE_SECRET_DIR"] = directory
            let list = try await nacre("volume list --direct")
            #expect(list.status == 0 && list.output.contains("b1") && list.notes.contains("'rbd'"), "\(list)")
            for line in [
                "volume list --direct --pool rbd", "volume delete x1 --direct --yes", "volume show x1 --direct",
                "node locks", "node fence nobody --plan", "volume undelete --pool rbd", "volume list --direct --quiet",
                "volume undelete --quiet",
            ] {
                let answer = try await nacre(line)
                #expect(answer.status == 77 && answer.notes.contains("'rbd'"), "\(line): \(answer)")
                #expect(answer.notes.contains("client.small"), "\(line): \(answer)")
            }
            // What this user may look at was looked at.
            let trash = try await nacre("volume undelete")
            #expect(trash.status == 0 && trash.notes.contains("not looked at: "), "\(trash)")
            #expect(trash.notes.contains("'rbd'") && trash.notes.contains("no deleted volume"), "\(trash)")
            let quiet = try await nacre("volume list --direct --quiet")
            #expect(quiet.output.contains("replicapool") && quiet.notes.split(separator: "\n").count == 1, "\(quiet)")
            let own = try await nacre("volume list --direct --quiet --pool replicapool")
            #expect(own.status == 0 && own.output.contains("replicapool") && own.notes.isEmpty, "\(own)")
            let typo = try await nacre("volume list --direct --pool replicapol")
            #expect(typo.status == 64 && typo.notes.contains("replicapool"), "\(typo)")
            // A handle says that no other pool is meant.
            let handle = own.output.filter { !$0.isWhitespace }
            let absent = handle.replacing(/[^\/]+$/, with: "csi-vol-\(UUID().uuidString.lowercased())")
            let nowhere = try await nacre("volume undelete \(absent)")
            #expect(nowhere.status == 66 && !nowhere.notes.contains("'rbd'"), "\(nowhere)")
            // A service that was just started learns of the refusal by this very list.
            let process = try await service.start(["--secret-dir", directory], hasUser: false)
            for words in ["volume list --pool rbd", "volume list --quiet"] {
                let answer = try await nacre(words)
                #expect(answer.status == 77 && answer.notes.contains("'rbd'"), "\(words): \(answer)")
            }
            let seen = try await nacre("volume list")
            #expect(seen.status == 0 && seen.output.contains("b1") && seen.notes.contains("'rbd'"), "\(seen)")
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("A pool without placement groups delays the others by seconds, and is named")
    func silent() async throws {
        try await FaultyCluster.with { faulty in
            let nacre = NacreCommand(try NacreProcess(faulty.cluster), cluster: faulty.cluster)
            #expect(try await nacre("volume create b1 --direct --pool rbd --size 16MiB").status == 0)
            try await faulty.makeSilentPool("silent")
            // Ceph's own time limit for the pool's OSDs is 60 s.
            let list = try await nacre("volume list --direct --timeout 30s")
            #expect(list.status == 75 && list.output.contains("b1") && list.notes.contains("'silent'"), "\(list)")
            // By itself, and through a service.
            let service = try NacreProcess(faulty.cluster)
            let process = try await service.start()
            let other = NacreCommand(service, cluster: faulty.cluster)
            for (command, flag) in [(nacre, "--direct"), (other, "")] {
                for pool in ["rbd", "replicapool"] {
                    let words = "volume list \(flag) --pool \(pool) --timeout 30s"
                    let well = try await command(words)
                    #expect(well.status == 0 && !well.notes.contains("'silent'"), "\(well)")
                    #expect(well.output.contains("b1") == (pool == "rbd"), "\(well)")
                }
                let words = "volume list \(flag) --pool silent --timeout 30s"
                let away = try await command(words)
                #expect(away.status == 75 && away.notes.contains("'silent'"), "\(away)")
            }
            #expect(try await process.stop() == .exited(0))
            let shown = try await nacre("volume show b1 --direct --timeout 30s")
            #expect(shown.status == 0 && shown.notes.contains("'silent'"), "\(shown)")
            let gone = try await nacre("volume delete no-such --direct --yes --timeout 30s")
            #expect(gone.status == 75 && gone.notes.contains("'silent'"), "\(gone)")
            // Also where no volume is left that could be listed.
            let handle = try await nacre("volume list --direct --quiet --pool rbd").output.filter { !$0.isWhitespace }
            #expect(try await nacre("volume delete \(handle) --direct --yes").status == 0)
            let none = try await nacre("volume list --direct --pool rbd --timeout 30s")
            #expect(none.status == 0 && none.notes.contains("there are no volumes in pool 'rbd'"), "\(none)")
            #expect(try await nacre("volume list --direct --timeout 30s").status == 75)
        }
    }

    @Test("A header that no OSD serves hides no other: who has that is found by name, and fenced; the silence is told")
    func silentHeader() async throws {
        try await FaultyCluster.with { faulty in
            let nacre = NacreCommand(try NacreProcess(faulty.cluster), cluster: faulty.cluster)
            let census = try PoolCensus(faulty.cluster, pool: "rbd")
            let handle = try await nacre("volume create data --direct --pool rbd --size 16MiB --quiet").output
            let image = handle.filter { !$0.isWhitespace }.split(separator: "/").last.map(String.init) ?? ""
            let id = try #require(try await census.pool.imageID(named: image))
            let header = ImageObject.header(ofID: id)
            // A client that took the lock and is gone.
            let lock = ["rados", "-p", "rbd", "lock"]
            func locks(_ words: String...) async throws -> String {
                try await faulty.cluster.execute("sh", "-ec", (lock + words).joined(separator: " "))
            }
            _ = try await locks("get", header, "rbd_lock", "--lock-cookie", "'auto 1'")
            let owner = try #require(
                try await locks("info", header, "rbd_lock").firstMatch(of: /127\.0\.0\.1:0\/[0-9]+/)
            )
            let address = String(owner.output)
            var silenced = false
            for number in 0..<24 where !silenced {
                try await faulty.cluster.execute("rbd", "create", "--size", "16M", "rbd/a\(number)")
                let other = try #require(try await census.pool.imageID(named: "a\(number)"))
                silenced = try await faulty.silence(
                    ImageObject.header(ofID: other),
                    in: "rbd",
                    butNot: [
                        header, ImageObject.id(ofName: image), ImageObject.directory, ImageObject.poolInfo,
                        ImageObject.trash,
                    ]
                )
            }
            #expect(silenced)
            let shown = try await nacre("node locks --timeout 30s")
            #expect(shown.status == 75 && shown.output.contains(address), "\(shown)")
            #expect(shown.output.contains("rbd/data") && shown.notes.contains("'rbd/a"), "\(shown)")
            let fenced = try await nacre("node fence \(address) --yes --timeout 30s")
            #expect(fenced.status == 75 && fenced.output.contains("1 lock broken"), "\(fenced)")
            #expect(fenced.notes.contains("'rbd/a"), "\(fenced)")
            #expect(try await faulty.ceph("osd", "blocklist", "ls").contains(address))
            #expect(try await !locks("info", header, "rbd_lock").contains(address))
        }
    }

    @Test("A deleted volume comes back beside one whose header no OSD serves, and out of a trash of thousands")
    func largeTrash() async throws {
        try await FaultyCluster.with { faulty in
            let nacre = NacreCommand(try NacreProcess(faulty.cluster), cluster: faulty.cluster)
            // Of many placement groups, for one of them to have nothing else that is needed.
            try await faulty.ceph("osd", "pool", "create", "many", "32", "32")
            try await faulty.ceph("osd", "pool", "set", "many", "size", "1", "--yes-i-really-mean-it")
            try await faulty.ceph("osd", "pool", "application", "enable", "many", "rbd")
            let census = try PoolCensus(faulty.cluster, pool: "many")
            for start in stride(from: 0, to: 12_000, by: 200) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in start..<start + 200 {
                        group.addTask {
                            try await census.addToTrash(RawTrashEntry(id: "000\(number)", name: "other-\(number)"))
                        }
                    }
                    try await group.waitForAll()
                }
            }
            let lab = faulty.cluster.lab(retention: .seconds(3600))
            let bench = VolumeBehaviour.Bench(
                service: lab.service,
                parameters: ["clusterID": try faulty.cluster.clusterID, "pool": "many"],
                credentials: try faulty.cluster.provisioner,
                prefix: "pvc"
            )
            func makeDeleted() async throws -> (handle: String, objects: [String]) {
                let uuid = UUID().uuidString.lowercased()
                let handle = try await bench.create(bench.request(uuid)).id.description
                let name = "csi-vol-\(uuid)"
                let id = try #require(try await census.pool.imageID(named: name))
                try await bench.delete(handle)
                return (
                    handle,
                    [ImageObject.header(ofID: id), ImageObject.id(ofName: name), ImageObject.objectMap(ofID: id)]
                )
            }
            let kept = try await makeDeleted()
            let needed = kept.objects + ["rbd_directory", "rbd_trash", "rbd_info", "rbd_mirroring", "rbd_children"]
            var silent = try await makeDeleted()
            while try await !faulty.silence(silent.objects[0], in: "many", butNot: needed) {
                silent = try await makeDeleted()
            }
            let listed = try await nacre("volume undelete --quiet --timeout 30s")
            #expect(listed.status == 75 && listed.output.contains(kept.handle), "\(listed)")
            #expect(!listed.output.contains(silent.handle), "\(listed)")
            let back = try await nacre("volume undelete \(kept.handle) --timeout 30s")
            #expect(back.status == 0 && back.output.contains("undeleted"), "\(back)")
        }
    }
}
