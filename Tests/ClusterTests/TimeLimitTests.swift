import Foundation
import Glibc
import TestSupport
import Testing

/// The time that a person gives a command, where nobody answers: it is kept, and who does not answer is said.
@Suite(
    "Time limits of commands",
    .serialized,
    .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack))
)
struct TimeLimitTests {
    static let limit = Duration.seconds(4)
    /// A second, and what a busy machine takes to start a process and to tell it of the end.
    ///
    /// What forgets the limit takes a minute, or for ever.
    static let slack = Duration.seconds(30)

    /// Commands that ask a service, or Ceph itself; H is the handle of a volume that is there, D a directory.
    static let lines = [
        "volume list", "volume list --pool rbd", "volume list --quiet", "volume show there", "volume show H",
        "volume create new --pool rbd --size 16MiB", "volume create there --pool rbd --size 64MiB",
        "volume expand there --size 96MiB", "volume expand H --size 96MiB", "volume delete there --yes",
        "volume delete H --yes", "volume delete H --plan", "volume mount there D/mnt", "volume mount H D/mnt",
        "volume map there", "volume map H",
    ]

    /// Those that ask Ceph itself in any case.
    static let direct = [
        "volume undelete", "volume undelete there", "volume undelete H", "volume undelete --pool rbd", "node locks",
        "node locks --node nobody", "node fence nobody --yes", "node unfence 10.0.0.7 --yes",
        "controller orphans list --kubeconfig D/kube",
        "controller orphans remove --pool rbd --image csi-vol-x --yes --kubeconfig D/kube",
    ]

    private struct Bench: Sendable {
        let nacre: NacreCommand
        let handle: String
        let directory: String

        /// Asks six at once: they wait for the same silence.
        func expect(
            _ lines: [String],
            _ words: String...,
            at location: SourceLocation = #_sourceLocation
        ) async throws {
            for start in stride(from: 0, to: lines.count, by: 6) {
                try await withThrowingTaskGroup { group in
                    for (index, line) in lines[start..<min(start + 6, lines.count)].enumerated() {
                        group.addTask { try await expect(line, words, stateDirectory: index, at: location) }
                    }
                    try await group.waitForAll()
                }
            }
        }

        private func expect(
            _ line: String,
            _ words: [String],
            stateDirectory: Int,
            at location: SourceLocation
        ) async throws {
            let start = ContinuousClock.now
            // One command at a time works in a state directory.
            let usesState = line.hasSuffix(" --direct") && (line.contains(" mount ") || line.contains(" map "))
            let answer = try await nacre(
                line.split(separator: " ").map { word in
                    word == "H" ? handle : word.hasPrefix("D/") ? directory + word.dropFirst() : String(word)
                } + ["--timeout", "\(TimeLimitTests.limit.components.seconds)s"]
                    + (usesState ? ["--state-dir", "\(directory)/state-\(stateDirectory)"] : [])
            )
            let time = ContinuousClock.now - start
            let what: Comment = "nacre \(line): \(time), \(answer)"
            #expect(time < TimeLimitTests.limit + TimeLimitTests.slack, what, sourceLocation: location)
            #expect(answer.status == 75, what, sourceLocation: location)
            for word in words { #expect(answer.notes.contains(word), what, sourceLocation: location) }
        }
    }

    /// A cluster with a volume, and a service that has not connected to it yet.
    private func with(_ body: (FaultyCluster, Bench, NacreProcess) async throws -> Void) async throws {
        try await FaultyCluster.with { faulty in
            let service = try NacreProcess(faulty.cluster)
            let nacre = NacreCommand(service, cluster: faulty.cluster)
            let made = try await nacre("volume create there --pool rbd --size 64MiB --direct --quiet")
            #expect(made.status == 0, "\(made)")
            let kubeconfig = """
                apiVersion: v1
                kind: Config
                current-context: none
                clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
                contexts: [{name: none, context: {cluster: none, user: none}}]
                users: [{name: none, user: {token: none}}]
                """
            try kubeconfig.write(toFile: "\(service.directory)/kube", atomically: true, encoding: .utf8)
            let handle = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            try await body(faulty, Bench(nacre: nacre, handle: handle, directory: service.directory), service)
        }
    }

    @Test("No command takes longer than --timeout on a cluster without monitors, and each names the monitors")
    func deadMonitors() async throws {
        try await with { faulty, bench, service in
            let monitor = try #require(
                try String(contentsOfFile: faulty.cluster.configurationPath, encoding: .utf8)
                    .firstMatch(of: /127\.0\.0\.1:[0-9]+/)
            )
            try await faulty.stop("mon.x")
            let silence = "no monitor "
            try await bench.expect(Self.lines.map { "\($0) --direct" } + Self.direct, silence, String(monitor.output))
            let process = try await service.start(["--node-id", "worker-7", "--mounter", "fuse"])
            try await bench.expect(Self.lines, silence, String(monitor.output))
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("No command takes longer than --timeout behind a service that is stopped, and each says so")
    func stoppedService() async throws {
        try await with { _, bench, service in
            let process = try await service.start(["--node-id", "worker-7", "--mounter", "fuse"])
            process.send(SIGSTOP)
            try await bench.expect(
                Self.lines + ["volume unmount there", "volume unmap D/none"],
                "the service at '\(service.socketPath)' does not answer"
            )
            process.send(SIGCONT)
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("A service whose cluster has died says that no monitor answers, and at which addresses")
    func diedMeanwhile() async throws {
        try await with { faulty, bench, service in
            let process = try await service.start()
            #expect(try await bench.nacre("volume list").status == 0)
            try await faulty.stop("mon.x", "osd.0")
            for line in ["volume list --timeout 30s", "volume list --pool rbd --timeout 30s"] {
                let list = try await bench.nacre(line)
                #expect(list.status == 75 && !list.notes.contains("say no reason"), "\(list)")
                let silence = "no monitor of cluster '\(try faulty.cluster.clusterID)' answers at v2:127.0.0.1:"
                #expect(list.notes.contains(silence), "\(list)")
                #expect(list.notes.contains("check that they run"), "\(list)")
            }
            #expect(try await process.stop() == .exited(0))
        }
    }

    @Test("Ctrl-C before a command has changed anything says so, and that it may be repeated")
    func interrupted() async throws {
        try await with { faulty, bench, service in
            let process = try await service.start(["--node-id", "worker-7", "--mounter", "fuse"])
            func interrupt(_ line: String, says words: String, when isReady: (Int32, String) -> Bool) async throws {
                let log = "\(service.directory)/interrupted.log"
                let command = try ChildProcess(
                    NacreProcess.program,
                    line.split(separator: " ").map { $0 == "H" ? bench.handle : String($0) },
                    environment: bench.nacre.environment,
                    log: log
                )
                let said = { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
                try await eventually("\(line) waits") { isReady(command.pid, said()) }
                command.send(SIGINT)
                #expect(try await command.end() == .killed(SIGINT), "\(line)")
                #expect(said().contains("nacre: interrupted before \(words): nothing was made or changed"), "\(said())")
                #expect(said().contains("the same command again is safe"), "\(said())")
                try FileManager.default.removeItem(atPath: log)
            }
            // While it looks for the service.
            process.send(SIGSTOP)
            for (line, words) in [
                ("volume create new --pool rbd --size 16MiB", "volume 'new' was created"),
                ("volume unmount there", "'there' was unmounted"), ("volume map H", "was mapped"),
                ("volume mount there /nonexistent/mnt", "volume 'there' was mounted"),
            ] {
                try await interrupt(line, says: words.hasPrefix("was") ? "volume '\(bench.handle)' \(words)" : words) {
                    pid,
                    _ in Self.hears(SIGINT, pid)
                }
            }
            process.send(SIGCONT)
            #expect(try await process.stop() == .exited(0))
            // While it looks for the volume.
            try await faulty.stop("mon.x")
            for (line, words) in [
                ("volume expand there --size 96MiB --direct", "volume 'there' was grown"),
                ("volume delete there --yes --direct", "volume 'there' was deleted"),
                ("volume undelete there", "volume 'there' was restored"),
                ("node fence nobody --yes", "'nobody' was fenced"),
                ("node unfence 10.0.0.7 --yes", "'10.0.0.7' was unfenced"),
            ] {
                try await interrupt(line, says: words) { _, said in
                    said.contains("looking for volume '") || said.contains("reading ")
                }
            }
            // It looks for a few seconds alone.
            try await interrupt("volume create new --pool rbd --direct", says: "volume 'new' was created") { pid, _ in
                Self.hears(SIGINT, pid)
            }
            try await faulty.start("mon.x")
            let after = try await bench.nacre("volume create new --pool rbd --size 16MiB --direct")
            #expect(after.status == 0 && !after.notes.contains("exists already"), "\(after)")
        }
    }

    /// Whether a process has a handler for a signal.
    private static func hears(_ signal: Int32, _ process: Int32) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        return status.split(separator: "\n").contains { line in
            guard line.hasPrefix("SigCgt:"),
                let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
            else { return false }
            return mask & (1 << UInt64(signal - 1)) != 0
        }
    }
}
