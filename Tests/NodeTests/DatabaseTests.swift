import Glibc
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Testing

extension NodeTests {
    @Test(
        "PostgreSQL goes on through killed servers, and on another node after a fence; no commit is lost, amcheck is content",
        .enabled(if: Database.programs != nil, "needs PostgreSQL with amcheck: apt-get install postgresql")
    )
    func database() async throws {
        let pair = try await NodePair("pg", .exclusiveLock, megabytes: 600)
        let (first, second) = (pair.first, pair.second)
        try await first.service().stage(first.stageRequest("pg"), deadline: soon)
        let database = try #require(Database(on: first, "pg"))
        try await database.make()
        async let load = database.load(seconds: 7)
        for isWithKeeper in [false, true, false] {
            try await Task.sleep(for: .milliseconds(1500))
            let status = try #require(first.status("pg"))
            let server = try #require(status.server)
            if isWithKeeper {
                try status.keeper?.send(SIGKILL)
                _ = try await first.eventually("a successor of the keeper") {
                    first.status("pg")?.keeper.flatMap { $0 == status.keeper ? nil : $0 }
                }
            }
            try server.send(SIGKILL)
            _ = try await first.successor(of: server, "pg")
        }
        try await load

        // The node dies under the next load.
        async let cut: Void = database.loadUntilCut(seconds: 30)
        try await Task.sleep(for: .seconds(2))
        try first.signalServers(SIGSTOP)
        _ = try await pair.nacre("node fence \(first.nodeID) --yes")
        try await second.service().stage(second.stageRequest("pg"), deadline: soon)
        let taken = try #require(Database(on: second, "pg"))
        try await taken.forgetOtherNode()
        try await taken.start()
        try await taken.check(against: database)
        try await taken.stop()
        try first.signalServers(SIGCONT)
        try await database.abandon()
        try await cut
        try await pair.end()
    }
}

/// A PostgreSQL on a volume that is staged, with pgbench's tables and one that notes commits.
private struct Database {
    /// The directory of Debian's programs; `nil` if they are not installed.
    static var programs: String? {
        let root = "/usr/lib/postgresql"
        let versions = ((try? KernelFile.names(in: root)) ?? []).compactMap(Int.init).sorted()
        guard let version = versions.last, access("\(root)/\(version)/bin/pg_amcheck", X_OK) == 0 else { return nil }
        return "\(root)/\(version)/bin"
    }

    private let programs: String
    private let lab: NodeLab
    private let place: String
    /// Outside the volume: its socket, its log and the numbers of acknowledged commits.
    private let outside: String

    init?(on lab: NodeLab, _ image: String) {
        guard let programs = Self.programs else { return nil }
        self.programs = programs
        self.lab = lab
        place = lab.stagingPath(image)
        outside = "\(lab.directory)/pg"
    }

    private func run(_ words: String) -> String { "runuser -u postgres -- \(programs)/\(words)" }

    func make() async throws {
        try await shell("chown postgres \(place)")
        try await shell(
            "cd / && chmod 755 \(lab.directory) \(lab.directory)/staging && \(run("initdb -A trust -D \(place)/data")) > /dev/null"
        )
        try await start()
        try await shell("cd / && \(run("pgbench -h \(outside) -i -q -s 2 postgres"))")
        try await query("create table notes (number int primary key)")
    }

    func start() async throws {
        try await shell(
            "mkdir -p \(outside) && chown postgres \(outside) && chmod 755 \(lab.directory) \(lab.directory)/staging"
        )
        let options =
            "-c listen_addresses= -c unix_socket_directories=\(outside) -c external_pid_file=\(outside)/pid -c shared_buffers=32MB"
        try await shell(
            "cd / && \(run("pg_ctl -D \(place)/data -l \(outside)/log -o '\(options)' -w start")) > /dev/null "
                + "|| { cat \(outside)/log; exit 1; }"
        )
    }

    func stop() async throws {
        try await shell("cd / && \(run("pg_ctl -D \(place)/data -m fast -w stop")) > /dev/null")
    }

    /// Removes the id of a process that does not exist on another machine.
    func forgetOtherNode() async throws { try await shell("rm \(place)/data/postmaster.pid") }

    /// Kills the remains of a server whose disk is gone.
    func abandon() async throws {
        try await shell(
            """
            pid=$(cat \(outside)/pid) || exit 0; kill -QUIT $pid
            for i in $(seq 600); do kill -0 $pid || break; sleep 0.1; done; true
            """
        )
    }

    /// Runs transactions of pgbench, none of which may fail, and inserts numbers with one commit each.
    func load(seconds: Int) async throws {
        async let notes = note(seconds: seconds)
        let bench = run("pgbench -h \(outside) -n -c 4 -T \(seconds) --max-tries=1 postgres")
        let told = try await shell("cd / && \(bench)")
        #expect(told.contains("number of failed transactions: 0 "), "\(told)")
        try await notes
    }

    /// The same, on a disk that disappears meanwhile.
    func loadUntilCut(seconds: Int) async throws {
        async let notes = note(seconds: seconds)
        try await shell(
            "cd / && \(run("pgbench -h \(outside) -n -c 4 -T \(seconds) postgres")) > /dev/null 2>&1 || true"
        )
        try await notes
    }

    /// psql prints a number after its commit was acknowledged.
    private func note(seconds: Int) async throws {
        let psql = run("psql -h \(outside) -qAt postgres")
        try await shell(
            """
            cd / && from=$(( $(tail -n 1 \(outside)/noted 2> /dev/null || echo 0) + 1 ))
            { for i in $(seq $from $((from + 400000))); do echo "insert into notes values ($i) returning number;"; done; } \
            2> /dev/null | timeout \(seconds) \(psql) >> \(outside)/noted 2> /dev/null || true
            """
        )
    }

    /// Checks that every acknowledged number of the other server is here, and that every page and index is valid.
    func check(against other: Database) async throws {
        let noted = try KernelFile.text("\(other.outside)/noted").split(separator: "\n").compactMap { Int($0) }
        let kept = Set(try await query("select number from notes").split(separator: "\n").compactMap { Int($0) })
        #expect(noted.count > 50)
        let lost = noted.filter { !kept.contains($0) }
        #expect(lost.isEmpty, "\(lost.count) lost: \(lost.prefix(8))")
        let sums = try await query(
            "select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches), "
                + "(select sum(delta) from pgbench_history) = (select sum(tbalance) from pgbench_tellers)"
        )
        #expect(sums == "t|t\n")
        try await shell("cd / && \(run("pg_amcheck -h \(outside) --install-missing --heapallindexed postgres"))")
        print("\(noted.count) commits noted, \(kept.count) kept")
    }

    @discardableResult
    private func query(_ words: String) async throws -> String {
        try await shell("cd / && \(run("psql -h \(outside) -qAt -v ON_ERROR_STOP=1 postgres")) -c '\(words)'")
    }
}
