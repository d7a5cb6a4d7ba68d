import Foundation
import TestSupport
import Testing

/// The program as a person uses it: real commands, a real service, a real cluster.
@Suite("The command line", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct CommandLineTests {
    private func with(_ body: (NacreCommand) async throws -> Void) async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        let process = try await service.start()
        try await body(NacreCommand(service, cluster: cluster))
        #expect(try await process.stop() == .exited(0))
    }

    @Test("A volume is called by its name from its making to its end, also where its image is what the cluster knows")
    func names() async throws {
        try await with { nacre in
            let name = "orders \(UInt32.random(in: 0...UInt32.max))"
            let made = try await nacre(["volume", "create", name, "--pool", "rbd", "--size", "1536MiB"])
            #expect(made.status == 0 && made.output.contains("1.5GiB"), "\(made)")
            #expect(!made.notes.contains("exists already"))
            let again = try await nacre(["volume", "create", name, "--pool", "rbd", "--size", "1.5GiB"])
            #expect(again.notes.contains("volume '\(name)' exists already, with 1.5GiB"), "\(again)")
            for flags in [[], ["--direct"]] {
                let list = try await nacre(["volume", "list"] + flags)
                let line = try #require(list.output.split(separator: "\n").first { $0.contains(name) }, "\(list)")
                #expect(line.contains("1.5GiB") && !line.contains("csi-vol"), "\(line)")
                let wide = try await nacre(["volume", "ls", "-o", "wide"] + flags)
                #expect(wide.output.split(separator: "\n").contains { $0.contains(name) && $0.contains("csi-vol-") })
                let json = try await nacre(["volume", "show", name, "-o", "json"] + flags)
                let object = try #require(
                    try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
                )
                #expect(object["name"] as? String == name)
                #expect(object["capacityBytes"] as? Int == 1536 << 20)
                #expect((object["created"] as? String)?.hasSuffix("Z") == true)
            }
            let misspelt = try await nacre(["volume", "show", name + "x"])
            #expect(misspelt.status == 66 && misspelt.notes.contains("did you mean '\(name)'?"), "\(misspelt)")
            let grown = try await nacre(["volume", "resize", name, "--size", "2GiB"])
            #expect(grown.output == "\(name) has 2GiB\n", "\(grown)")
            #expect(grown.notes.contains("mounted next"), "\(grown)")
            let deleted = try await nacre(["volume", "rm", name, "--yes"])
            #expect(deleted.output == "deleted \(name)\n", "\(deleted)")
        }
    }

    @Test("A terminal is asked once, for the name; anything else, and an end of input, leave the volume")
    func confirmation() async throws {
        try await with { nacre in
            let name = "asked-\(UInt32.random(in: 0...UInt32.max))"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB").status == 0)
            for typed in ["yes\n", "\u{4}", "\n"] {
                let kept = try await nacre(["volume", "delete", name], typing: typed)
                #expect(kept.status == 1, "\(kept)")
                #expect(kept.output.contains("Type \(name) to go on") && kept.output.contains("64MiB"), "\(kept)")
                #expect(kept.output.contains("nothing was done"), "\(kept)")
            }
            #expect(try await nacre("volume show \(name)").status == 0)
            let deleted = try await nacre(["volume", "delete", name], typing: "\(name)\n")
            #expect(deleted.status == 0 && deleted.output.contains("deleted \(name)"), "\(deleted)")
            #expect(try await nacre("volume show \(name)").status == 66)
        }
    }

    @Test("Ctrl-C in the middle of a create says what goes on, and the service does go on")
    func interruption() async throws {
        try await FaultyCluster.with { faulty in
            let service = try NacreProcess(faulty.cluster)
            let process = try await service.start()
            let nacre = NacreCommand(service, cluster: faulty.cluster)
            #expect(try await nacre("volume create first --pool rbd --size 64MiB").status == 0)
            try await faulty.freeze("osd.0")
            let log = "\(service.directory)/create.log"
            let create = try ChildProcess(
                NacreProcess.program,
                ["volume", "create", "second", "--pool", "rbd", "--size", "64MiB"],
                environment: nacre.environment,
                log: log
            )
            let said = { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try await eventually("the command waits") { said().contains("creating volume 'second'") }
            create.send(SIGINT)
            #expect(try await create.end() == .killed(SIGINT))
            #expect(said().contains("the service goes on"), "\(said())")
            #expect(said().contains("nacre volume show second"), "\(said())")
            try await faulty.thaw("osd.0")
            try await eventually("the service has made it") {
                try await nacre("volume show second").status == 0
            }
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("The shell completes volumes and pools, and is not kept waiting, nor told of errors, where nobody answers")
    func completion() async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        var nacre = NacreCommand(service, cluster: cluster)
        let volumes = ["---completion", "volume", "show", "--", "volume", "3", "1", "nacre", "volume", "show", ""]
        let pools = [
            "---completion", "volume", "create", "--", "--pool", "4", "1", "nacre", "volume", "create", "--pool",
        ]
        let nobody = try await nacre(volumes)
        #expect(nobody.status == 0 && nobody.output.isEmpty && nobody.notes.isEmpty, "\(nobody)")
        let process = try await service.start()
        #expect(try await nacre("volume create complete-me --pool rbd --size 64MiB").status == 0)
        // A busy machine may need more than the two seconds.
        try await eventually("the shell is told of the volume") {
            try await nacre(volumes).output.split(separator: "\n").contains("complete-me")
        }
        try await eventually("the shell is told of the pool") {
            try await nacre(pools).output.split(separator: "\n").contains("replicapool")
        }
        process.send(SIGSTOP)
        let silent = try await nacre(volumes)
        #expect(silent.status == 0 && silent.output.isEmpty && silent.notes.isEmpty, "\(silent)")
        process.send(SIGCONT)
        nacre.environment["NACRE_CONFIG"] = "/nonexistent"
        try await eventually("the shell is told of the pool that has a volume") {
            try await nacre(pools).output.split(separator: "\n").contains("rbd")
        }
        for shell in ["bash", "zsh", "fish"] {
            let script = try await nacre("--generate-completion-script \(shell)")
            #expect(script.status == 0 && script.output.contains("---completion"), "\(shell)")
        }
        #expect(try await nacre("volume rm complete-me --yes").status == 0)
        #expect(try await process.stop() == .exited(0))
    }

    @Test("The service finds its files by the same variables as the commands")
    func variables() async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        let nacre = NacreCommand(service, cluster: cluster)
        let process = try ChildProcess(
            NacreProcess.program,
            ["serve", "--request-timeout", "1m"],
            environment: nacre.environment,
            log: service.logPath
        )
        try await eventually("the service answers") { try await nacre("volume list --quiet").status == 0 }
        #expect(try await process.stop() == .exited(0))
    }
}
