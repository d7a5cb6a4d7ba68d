import Blocking
import Foundation
import Glibc
import Secrets
import TestSupport

/// The world that `tools/test robustness` has made: a cluster, a network for nodes, a directory for them.
struct Lab: Sendable {
    let cluster: MicroCluster
    /// Each node has a directory below it.
    let directory: String
    let clusterID: String
    let secrets: [String: Secret]
    /// Where HTTP calls wait.
    let pool = BlockingPool(threads: 64)
    /// A copy of the program beside the nodes' directories, which have it by other names.
    let program: String

    static var isThere: Bool { MicroCluster.isThere && environment("NACRE_ROBUSTNESS_DIR") != nil }
    static let lack = "needs a real Ceph, root and a network of its own: run tools/test robustness"

    init() throws {
        guard let cluster = MicroCluster.current, let directory = Self.environment("NACRE_ROBUSTNESS_DIR") else {
            throw CocoaError(.fileNoSuchFile)
        }
        self.cluster = cluster
        self.directory = directory
        program = "\(directory)/nacre"
        if !FileManager.default.fileExists(atPath: program) {
            try FileManager.default.copyItem(atPath: NacreProcess.program, toPath: program)
        }
        clusterID = try cluster.clusterID
        let user = try cluster.provisioner
        secrets = ["userID": Secret(user.userID), "userKey": user.userKey]
    }

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The node script.
    static let nodeProgram = tool("lib/test/robust-node")

    /// Something below `tools`.
    static func tool(_ path: String) -> String {
        String(#filePath.dropLast("Tests/RobustnessTests/Lab/Lab.swift".count)) + "tools/\(path)"
    }

    /// Runs the rbd program as the administrator; how it ended, and what it printed.
    func rbd(_ words: String...) async throws -> (isOK: Bool, output: String) {
        try await Self.run(["rbd", "-c", "\(cluster.directory)/ceph.conf"] + words)
    }

    /// Runs a program within two minutes.
    static func run(_ words: [String], seconds: Int = 120) async throws -> (isOK: Bool, output: String) {
        let output = "/tmp/nacre-robust-\(UInt64.random(in: 0...UInt64.max))"
        defer { unlink(output) }
        let process = try ChildProcess(
            "/usr/bin/timeout",
            ["--kill-after", "5", "\(seconds)"] + words,
            log: output
        )
        let end = try? await process.end(within: .seconds(seconds + 10))
        return (end == .exited(0), (try? String(contentsOfFile: output, encoding: .utf8)) ?? "")
    }

    /// Stops and thaws the OSD; one at a time may do so.
    func freezeOSD(for time: Duration) async throws {
        let tool = Self.tool("micro-cluster")
        await Self.freezer.enter()
        _ = try await Self.run([tool, "freeze", "--dir", cluster.directory, "osd.0"])
        try? await Task.sleep(for: time)
        _ = try await Self.run([tool, "thaw", "--dir", cluster.directory, "osd.0"])
        await Self.freezer.leave()
    }

    private static let freezer = Turnstile()
}

/// Lets one at a time through.
actor Turnstile {
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func leave() {
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }
}
