import Foundation
import TestSupport
import Testing

/// `nacre snapshot`, as a person uses it.
@Suite("The commands of snapshots", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct SnapshotCommandTests {
    private func with(_ body: (NacreCommand) async throws -> Void) async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        let process = try await service.start()
        try await body(NacreCommand(service, cluster: cluster))
        #expect(try await process.stop() == .exited(0))
    }

    @Test("A snapshot is called by its name from its making to its end", arguments: [[], ["--direct"]])
    func names(flags: [String]) async throws {
        try await with { nacre in
            let tag = "\(UInt32.random(in: 0...UInt32.max))"
            let (volume, snapshot, copy) = ("orders \(tag)", "before upgrade \(tag)", "old orders \(tag)")
            _ = try await nacre(["volume", "create", volume, "--pool", "rbd", "--size", "64MiB"])
            for _ in 0..<2 {
                let made = try await nacre(["snapshot", "create", snapshot, "--volume", volume] + flags)
                #expect(made.status == 0 && made.output.contains(snapshot) && made.output.contains(volume), "\(made)")
            }
            for words in [["list"], ["list", "--volume", volume], ["ls", "--pool", "rbd"]] {
                let list = try await nacre(["snapshot"] + words + flags)
                let line = list.output.split(separator: "\n").first { $0.contains(snapshot) }
                #expect(line?.contains(volume) == true && line?.contains("64MiB") == true, "\(list)")
            }
            let json = try await nacre(["snapshot", "show", snapshot, "--output", "json"] + flags)
            let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
            #expect(object?["name"] as? String == snapshot && object?["sizeBytes"] as? Int == 64 << 20, "\(json)")
            #expect((object?["snapshotId"] as? String)?.contains("@csi-snap-") == true, "\(json)")
            let misspelt = try await nacre(["snapshot", "show", snapshot + "x"] + flags)
            #expect(misspelt.status == 66 && misspelt.notes.contains("did you mean '\(snapshot)'?"), "\(misspelt)")
            let cloned = try await nacre(["volume", "create", copy, "--from-snapshot", snapshot] + flags)
            #expect(
                cloned.status == 0 && cloned.output.contains("64MiB") && cloned.output.contains("MADE FROM"),
                "\(cloned)"
            )
            let copied = try await nacre(
                ["volume", "create", copy + "2", "--from-volume", volume, "--size", "96Mi"] + flags
            )
            #expect(copied.status == 0 && copied.output.contains("96MiB"), "\(copied)")
            let small = try await nacre(
                ["volume", "create", copy + "3", "--from-volume", volume, "--size", "32Mi"] + flags
            )
            #expect(small.status != 0 && small.notes.contains("64 MiB"), "\(small)")
            #expect(try await nacre(["volume", "delete", volume, "--yes"] + flags).status == 0)
            let kept = try await nacre(["snapshot", "list"] + flags)
            #expect(
                kept.output.split(separator: "\n").contains { $0.contains(snapshot) && $0.contains("(deleted)") },
                "\(kept)"
            )
            let unasked = try await nacre(["snapshot", "delete", snapshot] + flags)
            #expect(unasked.status == 64, "\(unasked)")
            let plan = try await nacre(["snapshot", "delete", snapshot, "--plan"] + flags)
            #expect(plan.status == 0 && plan.output.contains("for good"), "\(plan)")
            let deleted = try await nacre(["snapshot", "rm", snapshot, "--yes"] + flags)
            #expect(deleted.status == 0 && deleted.output == "deleted \(snapshot)\n", "\(deleted)")
            let again = try await nacre(["snapshot", "rm", snapshot, "--yes"] + flags)
            #expect(again.status == 0 && again.notes.contains("nothing was deleted"), "\(again)")
            for name in [copy, copy + "2"] {
                #expect(try await nacre(["volume", "delete", name, "--yes"] + flags).status == 0)
            }
        }
    }

    @Test("What cannot be meant is refused with the words that help")
    func refused() async throws {
        try await with { nacre in
            let both = try await nacre(["volume", "create", "v", "--from-snapshot", "a", "--from-volume", "b"])
            #expect(both.status == 64 && both.notes.contains("exclude each other"), "\(both)")
            let unknown = try await nacre(["volume", "create", "v", "--from-snapshot", "no-such-snapshot"])
            #expect(unknown.status == 66 && unknown.notes.contains("no snapshot 'no-such-snapshot'"), "\(unknown)")
            let absent = try await nacre(["snapshot", "create", "s", "--volume", "no-such-volume"])
            #expect(absent.status == 66 && absent.notes.contains("no volume 'no-such-volume'"), "\(absent)")
            let help = try await nacre("snapshot --help")
            #expect(help.status == 0 && help.output.contains("EXAMPLES"), "\(help)")
        }
    }
}
