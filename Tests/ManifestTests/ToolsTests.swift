import Foundation
import Glibc
import TestSupport
import Testing

/// Tools that get a directory and remove it later: foreign directories stay unchanged.
@Suite("Directories that tools/ is given")
struct ToolsTests {
    /// Runs a tool on a directory with a file; returns its output and exit status.
    private func run(_ tool: String, _ words: [String]) async throws -> (
        text: String, end: ChildProcess.End
    ) {
        let log = "/tmp/nacre-tools-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let process = try ChildProcess(
            Manifests.root.appending(path: "tools/\(tool)").path,
            words,
            log: log
        )
        let end = try await process.end(within: .seconds(60))
        return ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "", end)
    }

    private func inForeignDirectory(_ body: (String) async throws -> Void) async throws {
        try await inDirectory { parent in
            let foreign = parent.appending(path: "foreign")
            try FileManager.default.createDirectory(at: foreign, withIntermediateDirectories: true)
            try Data("kept".utf8).write(to: foreign.appending(path: "file"))
            try await body(foreign.path)
            #expect(
                try FileManager.default.subpathsOfDirectory(atPath: parent.path).sorted() == [
                    "foreign", "foreign/file",
                ]
            )
        }
    }

    @Test(
        "tools/try leaves nothing in or beside a directory that is not its own",
        arguments: [[], ["--down"], ["--keep"]]
    )
    func tryTool(flags: [String]) async throws {
        try await inForeignDirectory { foreign in
            let (text, end) = try await run("try", flags + ["--dir", foreign])
            #expect(end == .exited(64) && text.contains(foreign), "\(text)")
        }
    }

    @Test("tools/try env says so when nothing is up")
    func environment() async throws {
        // Short, for the sockets below it.
        let (text, end) = try await run("try", ["env", "--dir", "/tmp/nacre-none-\(getpid())"])
        #expect(end == .exited(geteuid() == 0 ? 69 : 77) && !text.contains("export"), "\(text)")
    }

    @Test("tools/try env gives a shell every name that README's commands use", .enabled(if: geteuid() == 0))
    func names() async throws {
        try await inDirectory { parent in
            let files = FileManager.default
            // Short, because of the sockets that would be below it.
            let up = URL(filePath: "/tmp/nacre-\(UInt16.random(in: 0...UInt16.max)) it's up")
            defer { try? files.removeItem(at: up) }
            try files.createDirectory(at: up.appending(path: "cluster"), withIntermediateDirectories: true)
            for file in [".nacre-try", "service.pid"] { try Data().write(to: up.appending(path: file)) }
            try Data(#"[{"clusterID": "lab", "monitors": ["127.0.0.1:1"]}]"#.utf8)
                .write(to: up.appending(path: "cluster/config.json"))
            let readme = try String(contentsOf: Manifests.root.appending(path: "README.md"), encoding: .utf8)
            let lines = readme.split(separator: "\n").filter { $0.hasPrefix("nacre volume") }.joined()
            let names = Set(lines.matches(of: /"\$([A-Z_]+)"/).map { String($0.1) }).union([
                "NACRE_SOCKET", "CLUSTER_ID",
            ])
            #expect(names.contains("NODE_SECRET"), "\(names)")
            let script = """
                eval "$(\(Manifests.root.appending(path: "tools/try").path) env --dir "$1")" || exit
                for name in \(names.sorted().joined(separator: " ")); do echo "$name=${!name}"; done
                """
            let log = parent.appending(path: "log").path
            let shell = try ChildProcess("/bin/bash", ["-c", script, "bash", up.path], log: log)
            #expect(try await shell.end(within: .seconds(60)) == .exited(0))
            let said = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
            #expect(said.count == names.count && !said.contains { $0.hasSuffix("=") }, "\(said)")
            #expect(said.contains("NODE_SECRET=\(up.path)/cluster/secrets/csi-rbd-node"), "\(said)")
            #expect(said.contains("CLUSTER_ID=lab"), "\(said)")
        }
    }

    @Test("A long step says what it is at, and ends as its command does", arguments: [0, 7])
    func progress(status: Int) async throws {
        try await inDirectory { directory in
            let (log, said) = (directory.appending(path: "log").path, directory.appending(path: "said").path)
            // The step goes on until its last line was shown, so nothing here depends on how long that takes.
            let script = """
                source '\(Manifests.root.appending(path: "tools/lib/stages").path)'
                patiently '\(log)' 'making it' bash -c \
                    'echo first; echo "at 3 of 9"; until grep -q "making it: at 3 of 9" "$1"; do sleep 0.1; done; exit \(status)' \
                    bash '\(said)'
                """
            let shell = try ChildProcess("/bin/bash", ["-c", script], log: said)
            #expect(try await shell.end(within: .seconds(120)) == .exited(Int32(status)))
            #expect(try String(contentsOfFile: log, encoding: .utf8) == "first\nat 3 of 9\n")
        }
    }

    @Test(
        "A world of tools/kernel-lab refuses what is not a lab's, and removes nothing of it",
        .enabled(if: geteuid() == 0)
    )
    func kernelLab() async throws {
        try await inForeignDirectory { foreign in
            let (text, end) = try await run(
                "kernel-lab",
                ["world", "--no-cluster", "--dir", foreign, "--", "true"]
            )
            #expect(end == .exited(64) && text.contains("neither empty nor"), "\(text)")
        }
    }

    @Test("down of the labs refuses what is not theirs", arguments: ["micro-cluster", "kube-lab"])
    func down(tool: String) async throws {
        try await inForeignDirectory { foreign in
            let (text, end) = try await run(tool, ["down", "--dir", foreign])
            #expect(end != .exited(0) && text.contains(foreign), "\(text)")
        }
    }
}
