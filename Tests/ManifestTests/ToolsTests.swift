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
