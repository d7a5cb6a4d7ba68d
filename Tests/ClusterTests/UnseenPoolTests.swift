import Foundation
import TestSupport
import Testing

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
}
