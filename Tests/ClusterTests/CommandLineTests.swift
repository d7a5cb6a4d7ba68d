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

    @Test("A cluster that the service cannot use is told beside every list, and nothing of it is said to be gone")
    func unusable() async throws {
        let cluster = try #require(MicroCluster.current)
        let own = try String(contentsOfFile: cluster.configurationPath, encoding: .utf8)
        let path = "/tmp/nacre-x\(UInt32.random(in: 0...UInt32.max)).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let service = try NacreProcess(cluster, configurationPath: path)
        func serving(_ text: String, _ body: (NacreCommand) async throws -> Void) async throws {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let process = try await service.start()
            var nacre = NacreCommand(service, cluster: cluster)
            // Only the service has the file.
            nacre.environment["NACRE_CONFIG"] = "/nonexistent"
            try await body(nacre)
            #expect(try await process.stop() == .exited(0))
        }
        let broken = try #require(own.lastIndex(of: "]")).utf16Offset(in: own)
        let both = own.prefix(broken) + #",{"clusterID":"hollow","monitors":[]}]"#
        try await serving(String(both)) { nacre in
            let list = try await nacre("volume list")
            #expect(list.status == 0 && list.notes.contains("cluster 'hollow'"), "\(list)")
            let gone = try await nacre("volume delete no-such --yes")
            #expect(gone.status == 75 && gone.notes.contains("cluster 'hollow'"), "\(gone)")
            #expect(try await nacre("volume show no-such").notes.contains("cluster 'hollow'"))
        }
        try await serving("[]") { nacre in
            let list = try await nacre("volume list")
            #expect(list.status == 64 && list.notes.contains("names no cluster"), "\(list)")
            #expect(!list.notes.contains("make one"), "\(list)")
        }
        try await serving(own) { nacre in
            let answer79 = try await nacre("volume list")
            #expect(!answer79.notes.contains("not looked at"), "\(answer79)")
            let answer80 = try await nacre("volume delete no-such --yes")
            #expect(answer80.status == 0, "\(answer80)")
        }
    }

    @Test("A size that is rounded up by more than a MiB is said, and that nothing has grown")
    func rounding() async throws {
        try await with { nacre in
            let name = "round-\(UInt32.random(in: 0...UInt32.max))"
            let made = try await nacre("volume create \(name) --pool rbd --size 10MiB --fs xfs")
            #expect(made.status == 0 && made.notes.contains("has 300MiB, not 10MiB"), "\(made)")
            #expect(try await nacre("volume expand \(name) --size 300MiB").notes.contains("had 300MiB already"))
            let less = try await nacre("volume expand \(name) --size 20MiB")
            #expect(less.notes.contains("had 300MiB already, more than 20MiB"), "\(less)")
            let more = try await nacre("volume expand \(name) --size 310MiB")
            #expect(more.output.contains("310MiB") && !more.notes.contains("already"), "\(more)")
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
            let exact = try await nacre("volume create \(name) --pool rbd --size 10000000")
            #expect(exact.output.contains("10MiB") && !exact.notes.contains("takes no less"), "\(exact)")
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A list is sorted by names, of one pool if that is wanted")
    func sorted() async throws {
        try await with { nacre in
            let prefix = "sort-\(UInt32.random(in: 0...UInt32.max))"
            for name in ["c", "a", "d", "b"] {
                let pool = name == "d" ? "replicapool" : "rbd"
                let answer108 = try await nacre("volume create \(prefix)-\(name) --pool \(pool) --size 4MiB")
                #expect(answer108.status == 0, "\(answer108)")
            }
            func names(_ flags: String) async throws -> String {
                let list = try await nacre("volume list \(flags)").output.split(separator: "\n")
                return list.filter { $0.hasPrefix(prefix) }.map { "\($0.dropFirst(prefix.count + 1).prefix(1))" }
                    .joined()
            }
            let answer115 = try await names("")
            #expect(answer115 == "abcd", "\(answer115)")
            let answer116 = try await names("--pool rbd")
            #expect(answer116 == "abc", "\(answer116)")
            let answer117 = try await nacre("volume list --pool rbd --max 1")
            #expect(answer117.notes.contains("more volumes than --max 1"), "\(answer117)")
            for name in "abcd" {
                let answer118 = try await nacre("volume delete \(prefix)-\(name) --yes")
                #expect(answer118.status == 0, "\(answer118)")
            }
        }
    }

    /// What bash offers for an unfinished line, by the program's own script.
    private func offers(_ line: String, _ nacre: NacreCommand) async throws -> Set<String> {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        let file = "/tmp/nacre-o\(UInt32.random(in: 0...UInt32.max))"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let script = """
            PATH=\(URL(filePath: NacreProcess.program).deletingLastPathComponent().path):$PATH
            source <(nacre --generate-completion-script bash)
            COMP_WORDS=(\(words.map { "\"\($0)\"" }.joined(separator: " ")))
            COMP_CWORD=\(words.count - 1) COMP_LINE="\(line)" COMP_POINT=\(line.utf8.count)
            _nacre nacre "\(words[words.count - 1])" "\(words[words.count - 2])"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let bash = try ChildProcess("/bin/bash", ["-c", script], environment: nacre.environment, log: file)
        #expect(try await bash.end(within: .seconds(60)) == .exited(0))
        return Set(try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map(String.init))
    }

    @Test("Other names of commands are completed as the commands are, and what follows help, clusters, and nodes")
    func completionOfAliases() async throws {
        try await with { nacre in
            #expect(try await nacre("volume create aliased --pool rbd --size 4MiB").status == 0)
            for command in ["rm", "remove", "resize", "grow", "status", "info", "get", "delete"] {
                try await eventually("\(command) is completed") {
                    try await offers("nacre volume \(command) ali", nacre).contains("aliased")
                }
            }
            #expect(try await offers("nacre volume ls --po", nacre).contains("--pool"))
            #expect(try await offers("nacre volume umount --st", nacre).contains("--state-dir"))
            #expect(try await offers("nacre volume umount ", nacre).isDisjoint(with: ["create", "list", "unmount"]))
            #expect(try await offers("nacre help vol", nacre) == ["volume"])
            #expect(try await offers("nacre help volume und", nacre) == ["undelete"])
            let cluster = try #require(MicroCluster.current).clusterID
            for command in ["volume create", "volume undelete", "controller orphans list"] {
                #expect(try await offers("nacre \(command) --cluster ", nacre).contains(cluster), "\(command)")
            }
            #expect(try await nacre("volume delete aliased --yes").status == 0)
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

    @Test("A watched list shows what changes until Ctrl-C", arguments: ["-w", "--watch"])
    func watch(flag: String) async throws {
        try await with { nacre in
            let name = "watched-\(UInt32.random(in: 0...UInt32.max))"
            let log = "/tmp/nacre-watch-\(name)"
            defer { try? FileManager.default.removeItem(atPath: log) }
            let list = try ChildProcess(
                NacreProcess.program,
                ["volume", "list", flag],
                environment: nacre.environment,
                log: log
            )
            let said = { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try await eventually("the list is shown") { said().contains("VOLUME") || said().contains("NAME") }
            #expect(!said().contains(name))
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB").status == 0)
            try await eventually("the new volume is shown") { said().contains(name) }
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
            try await eventually("a later list is without it") {
                said().components(separatedBy: "SIZE").last.map { !$0.contains(name) } ?? false
            }
            list.send(SIGINT)
            #expect(try await list.end() == .killed(SIGINT))
            let tables = try await nacre("volume list \(flag) -o json")
            #expect(tables.status == 64 && tables.notes.contains("--watch"), "\(tables)")
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
        let secret = nacre.environment["NACRE_SECRET_DIR"]
        nacre.environment["NACRE_SECRET_DIR"] = "/nonexistent"
        try await eventually("the shell without a Ceph user is told of the pool that has a volume") {
            try await nacre(pools).output.split(separator: "\n").contains("rbd")
        }
        nacre.environment["NACRE_SECRET_DIR"] = secret
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
