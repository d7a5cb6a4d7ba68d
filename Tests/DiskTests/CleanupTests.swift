import Foundation
import LinuxKernel
import TestSupport
import Testing

/// The program as a Job of deploy/cleanup runs it, but for loop devices, and an API server that only takes Events in.
@Suite(
    "nacre node cleanup",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"),
    .enabled(if: OracleTests.has("ceph-osd"), "needs ceph-osd")
)
struct CleanupTests {
    let lab: DiskLab
    private let server: ScriptedServer
    private let kubeconfig: String
    private let isClear: Bool

    init() throws {
        lab = try DiskLab()
        server = try ScriptedServer { _, connection in connection.answer(201, "{}") }
        kubeconfig = try Self.kubeconfig(server, lab)
        // If a disk of this host cannot be read, it is unknown whether the cluster is still on it.
        isClear = lab.nacre("list").status == 0
    }

    /// The server's address, behind something that ends TLS: without that, the program sends no token.
    private static func kubeconfig(_ server: ScriptedServer, _ lab: DiskLab) throws -> String {
        let path = "\(lab.directory)/kubeconfig"
        let (certificate, key, log) = ("\(path).crt", "\(path).key", "\(path)-\(server.port).log")
        try lab.sh(
            "test -e \(certificate) || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                + "-keyout \(key) -out \(certificate) -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
        )
        let front = try ChildProcess(
            "\(Matrix.repository)/tools/lib/test/tls-front",
            ["\(server.port)", certificate, key],
            log: log
        )
        lab.atEnd { front.send(SIGKILL) }
        let port = try lab.sh("until [ -s \(log) ]; do sleep 0.1; done; cat \(log)").filter(\.isNumber)
        try KernelFile.replace(
            path,
            with: Array(
                """
                apiVersion: v1
                kind: Config
                current-context: a
                contexts: [{name: a, context: {cluster: a, user: a}}]
                clusters:
                - {name: a, cluster: {server: "https://127.0.0.1:\(port)", certificate-authority: \(certificate)}}
                users: [{name: a, user: {token: t}}]
                """.utf8
            )
        )
        return path
    }

    private func makeOSD(_ name: String) throws -> Disk {
        let disk = try lab.disk(name, 512 << 20)
        let made = lab.makeOSD(disk, cluster: DiskLab.cluster)
        try #require(made.status == 0, "\(made.errors)")
        try disk.flush()
        return disk
    }

    func words(_ words: String, _ disks: Disk..., program: String = DiskLab.program) -> String {
        let included = disks.map { "--include \($0.loop)" }.joined(separator: " ")
        return "node cleanup --node-name worker-1 --fsid=\(DiskLab.cluster) --foreign-fsid \"\" "
            + "--kubeconfig \(kubeconfig) --program \(program) --summary-file \(lab.directory)/summary \(included) \(words)"
    }

    func nacre(_ words: String, prefix: String = "") -> Ran {
        let pod = "POD_NAMESPACE=nacre-cleanup POD_NAME=nacre-cleanup-worker-1-x POD_UID=u1"
        return DiskLab.run("\(pod) \(prefix) \(NacreProcess.program) \(words)", limit: 300)
    }

    /// What a Job that did all it could ends with.
    private var done: Int32 { isClear ? 0 : 1 }

    struct Event: Decodable {
        struct Object: Decodable {
            let kind: String
            let name: String
            let uid: String
        }
        let type: String
        let reason: String
        let message: String
        let involvedObject: Object
    }

    private struct Report: Decodable {
        struct Disk: Decodable {
            let path: String
            let state: String
        }
        let disks: [Disk]
        let errors: [String]
    }

    var events: [Event] {
        server.requests.compactMap { try? JSONDecoder().decode(Event.self, from: Data($0.body.utf8)) }
    }

    private func event(_ reason: String) -> Event? { events.first { $0.reason == reason } }

    @Test("Unconfirmed, it shows the plan, and writes nothing")
    func unconfirmed() throws {
        let disk = try makeOSD("osd")
        let before = try disk.fingerprint()
        let ran = nacre(words("--confirm \"\"", disk))
        #expect(ran.status == 64, "\(ran)")
        #expect(try disk.fingerprint() == before)
        let refusal = "no fsid is confirmed; nothing was written"
        #expect("\(ran)".components(separatedBy: refusal).count == 2, "told once: \(ran)")
        #expect(try KernelFile.text("\(lab.directory)/summary").contains(refusal))
        let planned = try #require(event("CleanupPlanned"))
        #expect(planned.type == "Normal" && planned.message.contains("node worker-1: 1 disk of the cluster"))
        #expect(planned.message.contains(disk.loop) && planned.message.contains("(quick)"), "\(planned.message)")
        #expect(planned.involvedObject.kind == "Pod" && planned.involvedObject.uid == "u1")
        #expect(event("CleanupFailed")?.type == "Warning")
        let asked = nacre(words("--confirm \"\" -o json", disk))
        let report = try JSONDecoder().decode(Report.self, from: Data(asked.output.utf8))
        #expect(asked.status == 64 && report.disks.map(\.path) == [disk.loop], "\(asked)")
        #expect(report.disks.first?.state == "planned" && !report.errors.contains { $0.contains(refusal) }, "\(asked)")
        let wrong = nacre(words("--confirm=\(DiskLab.osd) -q", disk))
        #expect(wrong.status == 77 && wrong.output.isEmpty, "\(wrong)")
        // One line: that nothing was written, and no advice to go on with it.
        #expect(
            wrong.errors.contains("--confirm gave '\(DiskLab.osd)'") && wrong.errors.hasSuffix("nothing was written\n")
        )
        #expect(wrong.errors.filter { $0 == "\n" }.count == 1, "\(wrong.errors)")
        #expect(try disk.fingerprint() == before)
    }

    @Test(
        "Confirmed, the disk is erased as Rook's policy says; plan, progress and end are Events, and one summary is left",
        arguments: ["quick", "complete --data-source zero", "complete --data-source random --iteration 2"]
    )
    func confirmed(method: String) throws {
        let disk = try makeOSD("osd")
        // Far from all that marks a disk as used.
        try disk.write("somebody's data", at: 256 << 20)
        let ran = nacre(words("--confirm=\(DiskLab.cluster) --method \(method) -o json", disk))
        #expect(ran.status == done, "\(ran)")
        try disk.flush()
        #expect(disk.magics.isEmpty && disk.isZero(0, 100 << 20))
        #expect(disk.isZero(0, 512 << 20) == (method != "quick"))
        #expect(DiskLab.run("ceph-bluestore-tool show-label --dev \(disk.loop)", limit: 60).status != 0)
        #expect(lab.makeOSD(disk, cluster: DiskLab.osd).status == 0, "the next OSD takes the disk")
        #expect(event("CleanupPlanned") != nil && event("CleanupProgress")?.message.contains("one disk") ?? false)
        #expect(event("DisksErased")?.message.contains("\(disk.loop) (\(disk.file))") ?? false)
        let end = try #require(event(isClear ? "CleanupDone" : "CleanupFailed"))
        #expect(end.message.contains("1 disk freed, none of the cluster's left"), "\(end.message)")
        let summary = try KernelFile.text("\(lab.directory)/summary")
        #expect(summary.contains("worker-1: cluster \(DiskLab.cluster): 1 disk freed"), "\(summary)")
        let answer = "\(lab.directory)/answer"
        try KernelFile.replace(answer, with: Array(ran.output.utf8))
        let report = try lab.sh("jq -r '.node, .disks[0].state, .complete' \(answer)")
        #expect(report == "worker-1\nclean\n\(isClear)\n", "\(ran.output)")
    }

    @Test("A disk that is in use stays, with its reason in an Event and in the summary; the other one goes")
    func refused() throws {
        let (held, free) = (try makeOSD("held"), try makeOSD("free"))
        _ = try lab.claim(held.loop, "os.O_EXCL", mode: "os.O_RDONLY")
        let before = try held.fingerprint()
        let ran = nacre(words("--confirm=\(DiskLab.cluster)", held, free))
        #expect(ran.status == 1, "\(ran)")
        try free.flush()
        #expect(free.magics.isEmpty)
        #expect(try held.fingerprint() == before)
        // Each disk that stays has an Event, and the last one says all of it.
        for reason in ["DiskNotErased", "CleanupFailed"] {
            let warning = events.first { $0.type == "Warning" && $0.reason == reason }?.message ?? "none"
            #expect(warning.contains(held.loop) && warning.contains("claimed"), "\(reason): \(warning)")
        }
        let summary = try KernelFile.text("\(lab.directory)/summary")
        #expect(summary.contains("1 disk freed, 1 of the cluster's left"), "\(summary)")
        #expect(summary.contains("\(held.loop) (\(held.file)) refused"), "\(summary)")
    }

    @Test("A pod that is ended stops its erasure, and the next one ends it", arguments: ["TERM", "KILL"])
    func ended(signal: String) throws {
        let disk = try makeOSD("osd")
        let command = words("--confirm=\(DiskLab.cluster) --method complete --data-source random --iteration 3", disk)
        // The end comes when nacre-disk has begun to write.
        let ran = nacre(
            command,
            prefix: """
                bash -c '"$@" & nacre=$!
                until disk=$(pgrep -P $nacre nacre-disk) && grep -q "^write_bytes: [1-9]" /proc/$disk/io; do kill -0 $nacre && sleep 0.01 || exit 99; done
                kill -\(signal) $nacre; [ \(signal) = TERM ] || kill -KILL $disk; wait $nacre' bash
                """
        )
        #expect(ran.status == (signal == "TERM" ? 75 : 137), "\(ran)")
        let second = nacre(command)
        #expect(second.status == done, "\(second)")
        try disk.flush()
        #expect(disk.isZero(0, 512 << 20))
    }

    @Test("An API server that takes no Events keeps no disk from being erased")
    func noEvents() throws {
        let deaf = try ScriptedServer { _, connection in
            connection.answer(403, #"{"kind":"Status","code":403,"reason":"Forbidden","message":"no"}"#)
        }
        _ = try Self.kubeconfig(deaf, lab)
        let disk = try makeOSD("osd")
        let ran = nacre(words("--confirm=\(DiskLab.cluster)", disk))
        #expect(ran.status == done, "\(ran)")
        try disk.flush()
        #expect(disk.magics.isEmpty && !deaf.requests.isEmpty)
        #expect(ran.errors.contains("\(deaf.requests.count) Events could not be sent"), "\(ran.errors)")
    }

    @Test(
        "What Rook would take for a complete erasure is a mistake here",
        arguments: ["--method metadata", "--data-source random", "--method complete --iteration 0", "--method="]
    )
    func unknown(policy: String) throws {
        let ran = nacre(words("--confirm=\(DiskLab.cluster) \(policy)"))
        #expect(ran.status == 64 && server.requests.isEmpty, "\(ran)")
    }
}
