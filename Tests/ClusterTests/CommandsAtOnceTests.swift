import Foundation
import LinuxKernel
import TestSupport
import Testing

/// Commands of one machine at once, records that say less than the node service knows, and two services.
extension MountCommandTests {
    private static func fresh(_ word: String) -> String { "\(word)-\(UInt32.random(in: 0...UInt32.max))" }

    private func mounts(below directory: String) throws -> [String] {
        try MountTable.current().mounts.map(\.mountPoint).filter {
            $0.hasPrefix("\(directory)/") && !$0.contains("/mappings/")
        }
    }

    private func records(_ directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: "\(directory)/state/cli")) ?? []
    }

    @Test(
        "Of two commands on one volume at once one wins; the other names the command that ends it, and that one does",
        arguments: [
            ["volume mount NAME DIR/a", "volume mount NAME DIR/b"],
            ["volume map --repair NAME", "volume mount NAME DIR/a"],
            ["volume mount NAME DIR/a --fs xfs", "volume mount NAME DIR/b --fs ext4"],
            ["volume mount NAME DIR/a", "volume mount NAME DIR/a --read-only"],
        ]
    )
    func twoAtOnce(lines: [String]) async throws {
        try await with { nacre, node, directory in
            let name = Self.fresh("race")
            #expect(try await nacre("volume create \(name) --pool rbd --size 400MiB").status == 0)
            let commands = lines.map { $0.replacing("NAME", with: name).replacing("DIR", with: directory) }
            async let first = node(commands[0])
            async let second = node(commands[1])
            let outcomes = try await [first, second].sorted { $0.status < $1.status }
            // A read-only mount that comes first finds no file system.
            #expect(outcomes[0].status == 0 && outcomes[1].status == 1, "\(outcomes)")
            #expect(!outcomes[1].notes.contains("stage"), "\(outcomes[1])")
            if !outcomes[1].notes.contains("no file system") {
                let end = try #require(
                    outcomes[1].notes.firstMatch(of: /nacre (volume un(?:mount|map) [^ ;'\n]+)/)?.output.1
                )
                let ended = try await node(String(end))
                #expect(ended.status == 0, "\(ended)")
            } else {
                #expect(try await node("volume unmount \(name)").status == 0)
            }
            #expect(try mounts(below: directory).isEmpty && records(directory).isEmpty)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A mount that the record does not have is ended by its path, and by the volume's name")
    func unrecorded() async throws {
        try await with { nacre, node, directory in
            let name = Self.fresh("stray")
            let path = "\(directory)/a"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB").status == 0)
            for target in [path, name, "\(directory)/b"] {
                #expect(try await node("volume mount \(name) \(path)").status == 0)
                // As two commands of an earlier release at once left it.
                let record = "\(directory)/state/cli/\(try #require(records(directory).first))/use.json"
                let text = try String(contentsOfFile: record, encoding: .utf8)
                let escaped = { (path: String) in path.replacing("/", with: "\\/") }
                let wrong = text.replacing(escaped(path), with: escaped("\(directory)/b"))
                #expect(wrong != text)
                try wrong.write(toFile: record, atomically: true, encoding: .utf8)
                let ended = try await node("volume unmount \(target)")
                #expect(ended.status == 0, "\(ended)")
                if target == "\(directory)/b" {
                    #expect(ended.notes.contains("nacre volume unmount \(path)"), "\(ended)")
                    #expect(try mounts(below: directory) != [])
                    #expect(try await node("volume unmount \(path)").status == 0)
                }
                #expect(try mounts(below: directory).isEmpty && records(directory).isEmpty, "\(target)")
            }
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("What create was told of the node counts when the volume is mounted, unless mount is told otherwise")
    func nodeParameters() async throws {
        try await with { nacre, node, directory in
            let name = Self.fresh("told")
            let path = "\(directory)/mnt"
            let made = try await nacre([
                "volume", "create", name, "--pool", "rbd", "--size", "64MiB", "--parameter",
                "mkfsOptions=-m 0 -L nacre",
                "--parameter", "mounter=krbd",
            ])
            #expect(made.status == 0, "\(made)")
            let first = try await node("volume mount \(name) \(path)")
            #expect(first.status == 0 || first.notes.contains("krbd"), "\(first)")
            if first.status == 0 {
                #expect(try MountTable.current().mount(at: path)?.source.hasPrefix("/dev/rbd") == true)
                #expect(try await node("volume unmount \(name)").status == 0)
            }
            let mounted = try await node("volume mount \(name) \(path) --mounter fuse")
            #expect(mounted.status == 0, "\(mounted)")
            let device = try #require(try MountTable.current().mount(at: path)?.source)
            let label = try await MicroCluster.current?.execute("blkid", "-o", "value", "-s", "LABEL", device)
            #expect(label?.trimmingCharacters(in: .newlines) == "nacre")

            let other = try await node("volume mount \(name) \(path) --read-only --mounter fuse")
            #expect(other.status == 1 && other.notes.contains("nacre volume unmount \(name)"), "\(other)")
            #expect(!other.notes.contains("stage") && !other.notes.contains("flags"), "\(other)")
            #expect(try await node("volume unmount \(name)").status == 0)

            #expect(try await node("volume mount \(name) \(path) --read-only --mounter fuse").status == 0)
            let grown = try await nacre("volume expand \(name) --size 96MiB")
            #expect(grown.status == 0 && grown.notes.contains("mounted read-only"), "\(grown)")
            #expect(!grown.notes.contains("controller"), "\(grown)")
            #expect(try await node("volume unmount \(name)").status == 0)
            #expect(try await node("volume mount \(name) \(path) --mounter fuse").status == 0)
            #expect(try FileSystemUsage(of: path).totalBytes > 70 << 20)
            #expect(try await node("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)

            let secret = Self.fresh("secret")
            let refused = try await nacre("volume create \(secret) --pool rbd --size 16MiB --parameter encrypted=true")
            #expect(refused.status == 1 && refused.notes.contains("encrypted"), "\(refused)")
            #expect(try await !nacre("volume list").output.contains(secret))
        }
    }

    @Test("A wrong key is named as the cause, not the caps for pools")
    func wrongKey() async throws {
        try await with { nacre, node, directory in
            let name = Self.fresh("key")
            #expect(try await nacre("volume create \(name) --pool rbd --size 16MiB").status == 0)
            let secret = "\(directory)/wrong"
            try FileManager.default.createDirectory(atPath: secret, withIntermediateDirectories: true)
            try "csi-rbd-node".write(toFile: "\(secret)/userID", atomically: true, encoding: .utf8)
            let key = try String(
                contentsOfFile: "\(nacre.environment["NACRE_SECRET_DIR"] ?? "")/userKey",
                encoding: .utf8
            )
            try key.write(toFile: "\(secret)/userKey", atomically: true, encoding: .utf8)
            var other = node
            other.environment["NACRE_SECRET_DIR"] = secret
            let refused = try await other("volume mount \(name) \(directory)/mnt")
            #expect(refused.status == 77 && refused.notes.contains("its monitors refuse the user"), "\(refused)")
            #expect(refused.notes.contains("'ceph auth get client.csi-rbd-node'"), "\(refused)")
            #expect(!refused.notes.contains("osd 'profile rbd'"), "\(refused)")
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("One service keeps a state directory; the next one waits for its end, and what is mounted does not hinder it")
    func oneService() async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        let flags = ["--node-id", "worker-8", "--mounter", "fuse"]
        let process = try await service.start(flags)
        var node = NacreCommand(service, cluster: cluster)
        let name = Self.fresh("kept")
        #expect(try await node("volume create \(name) --pool rbd --size 64MiB").status == 0)
        node.environment["NACRE_SECRET_DIR"] = cluster.nodeSecret
        #expect(try await node("volume mount \(name) \(service.directory)/mnt").status == 0)

        func second(_ log: String, socket: String = "two.sock", state: String = "state") throws -> ChildProcess {
            try ChildProcess(
                NacreProcess.program,
                [
                    "serve", "--socket", "\(service.directory)/\(socket)", "--config", cluster.configurationPath,
                    "--state-dir", "\(service.directory)/\(state)", "--node-id", "worker-9", "--mounter", "fuse",
                ],
                log: log
            )
        }
        let log = "\(service.directory)/two.log"
        let refused = try second(log)
        #expect(try await refused.end() == .exited(1))
        let said = try String(contentsOfFile: log, encoding: .utf8)
        #expect(said.contains("state directory") && said.contains("process \(process.pid)"), "\(said)")
        #expect(!said.contains("image server"), "\(said)")
        // One on its socket, with a directory of its own, looks at nothing either.
        let socket = try #require(node.environment["NACRE_SOCKET"]?.split(separator: "/").last)
        let same = try second("\(service.directory)/same.log", socket: String(socket), state: "other")
        #expect(try await same.end() == .exited(1))
        let reason = try String(contentsOfFile: "\(service.directory)/same.log", encoding: .utf8)
        #expect(reason.contains("another nacre serves on") && reason.split(separator: "\n").count == 1, "\(reason)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(service.directory)/other").count == 1)
        // Nor does a command work beside it, whatever socket it was told.
        var direct = node
        direct.environment["NACRE_SOCKET"] = "\(service.directory)/none.sock"
        let beside = try await direct("volume unmount \(name) --direct")
        #expect(beside.status == 1 && beside.notes.contains("--direct"), "\(beside)")
        #expect(try MountTable.current().mount(at: "\(service.directory)/mnt") != nil)

        // The next one begins while the first one still has to end.
        let next = try second("\(service.directory)/three.log")
        try await eventually("it waits") {
            (try? String(contentsOfFile: "\(service.directory)/three.log", encoding: .utf8))?.contains("waiting")
                == true
        }
        process.send(SIGKILL)
        node.environment["NACRE_SOCKET"] = "\(service.directory)/two.sock"
        try await eventually("it serves") { try await node("volume unmount \(name)").status == 0 }
        #expect(try await next.stop() == .exited(0))
        // Without a service, the command does the work itself.
        node.environment["NACRE_SECRET_DIR"] = cluster.provisionerSecret
        #expect(try await node("volume delete \(name) --yes --direct").status == 0)
    }
}
