import Glibc
import ImageServing
import NodeTestSupport
import Subprocess
import Testing

extension GuestTests {
    @Test("What a kernel was told is stable is in the cluster after a power cut, whatever befell the image servers")
    func powerCut() async throws {
        // A kernel older than 6.9, which this machine's Debian has, cannot send FUSE requests again: there only the power goes.
        let resends = getenv("NACRE_UML_ROOT").map { $0.pointee != 0 } ?? false
        let (nbd, fuse) = (PowerCut("nbd", "ext4", killsServers: true), PowerCut("fuse", "xfs", killsServers: resends))
        async let other: Void = fuse.run()
        try await nbd.run()
        try await other
    }
}

/// A guest whose programs write to a volume through log-writes, until its plug is pulled: `tools/lib/test/power-cut`.
private struct PowerCut {
    private let mounter: String
    private let fsType: String
    private let killsServers: Bool
    private let image: String
    private let seed = Int.random(in: 1...1_000_000)
    private let conf = "\(NodeLab.clusterDirectory ?? "")/ceph.conf"
    private let directory: String

    init(_ mounter: String, _ fsType: String, killsServers: Bool) {
        (self.mounter, self.fsType, self.killsServers) = (mounter, fsType, killsServers)
        image = "cut-\(mounter)"
        directory = "\(getenv("NACRE_LAB_DIR").map { String(cString: $0) } ?? "/var/tmp/nacre")-\(image)"
    }

    func run() async throws {
        try await Guest.host(
            "rbd -c \(conf) create rbd/\(image) --size 336M && rbd -c \(conf) image-meta set rbd/\(image) "
                + "nacre.io/request-name \(image) && mkdir -p \(directory) && truncate -s 64G \(directory)/log && touch \(directory)/told"
        )
        var snapshots: [String] = []
        try await Guest.with(image, flags: ["--disk", "\(directory)/log"]) { guests in
            let program = try NodeLab(directory: "/tmp/node", placement: .stay).program
            try await guests[0].shell(
                "mkdir -p /tmp/node/staging/\(image) /tmp/node/pods; \(program) /tmp/node stage \(image) block none \(mounter)"
            )
            try await load("make")
            async let calm: Void = load("calm", seconds: number("SECONDS", 5))
            snapshots = try await snapshotsMeanwhile()
            try await calm
            try await export("", as: "calm")
            async let storm: Void = load("storm", seconds: 1000, isCut: true)
            try await Task.sleep(for: .seconds(number("SECONDS", 5)) + .milliseconds(Int.random(in: 0...1500)))
            try await guests[0].kill()
            try await storm
        }
        // Nobody has the lock if the plug was pulled between the break of a dead server's and its successor's own.
        try await Guest.host(
            """
            owner=$(rbd -c \(conf) lock ls rbd/\(image) | awk 'END { print $NF }')
            [ -z "$owner" ] || ceph -c \(conf) osd blocklist add "$owner"
            """
        )
        try await export("", as: "storm")
        try await judge(snapshots)
        try await Guest.host(
            "rbd -c \(conf) snap purge --no-progress rbd/\(image) && rbd -c \(conf) rm --no-progress rbd/\(image)"
        )
    }

    /// What the cluster has while programs write: a file and how many lines they had printed before.
    private func snapshotsMeanwhile() async throws -> [String] {
        var found: [String] = []
        for (name, least) in [("early", 30), ("late", 60)] {
            let lines = try await Guest.host(
                """
                for i in $(seq 600); do [ "$(wc -l < \(directory)/told)" -lt \(least) ] || break; sleep 0.1; done
                wc -l < \(directory)/told
                """
            )
            try await Guest.host("rbd -c \(conf) snap create --no-progress rbd/\(image)@\(name)")
            try await export("@\(name)", as: name)
            found.append("\(directory)/\(name):\(lines.filter(\.isNumber))")
        }
        return found
    }

    private func export(_ snapshot: String, as name: String) async throws {
        try await Guest.host("rbd -c \(conf) export --no-progress rbd/\(image)\(snapshot) \(directory)/\(name)")
    }

    /// Runs the programs in the guest; their words are added to `told`.
    private func load(_ phase: String, seconds: Int = 0, isCut: Bool = false) async throws {
        let record = killsServers ? "RECORD=$(echo /tmp/node/mappings/*/server.json)" : ""
        let line =
            "exec /usr/bin/python3 -B \(Self.programs)load.py \(phase) DEVICE=/tmp/node/staging/\(image)/device "
            + "LOGDEVICE=/dev/ubdb FILESYSTEM=\(fsType) SEED=\(seed) DIRECTORY=/run SECONDS=\(seconds) \(record)"
        let told = try await Guest.host(
            "\(Guest.tool("kernel-lab")) exec \(image) -- /bin/sh -c '\(line)' >> \(directory)/told 2> \(directory)/errors"
                + " || { cat \(directory)/errors; \(isCut); }",
            seconds: seconds + 300
        )
        #expect(isCut || told == "", "\(image), seed \(seed)")
    }

    private func judge(_ snapshots: [String]) async throws {
        let judge =
            "/usr/bin/python3 -B \(Self.programs)judge.py TOLD=\(directory)/told FILESYSTEM=\(fsType) SEED=\(seed) "
            + "DIRECTORY=\(directory)/judged"
        let verdict = try await Guest.host(
            "\(judge) LOG=\(directory)/log CALM=\(directory)/calm STORM=\(directory)/storm "
                + "SNAPS=\(snapshots.joined(separator: ",")) POINTS=\(number("POINTS", 8))",
            seconds: 3600
        )
        print("power cut, \(mounter), \(fsType), seed \(seed): \(verdict)")
        #expect(killsServers != verdict.hasPrefix("0 servers"), "\(verdict)")
        // It finds what is missing, too: the image of an earlier moment does not have all that was stable later.
        let missing = try await Guest.host("\(judge) STORM=\(directory)/early || rm -r \(directory)")
        #expect(missing.contains("power-cut: "), "\(missing)")
    }

    private static var programs: String { Guest.tool("lib/test/power-cut/") }

    private func number(_ name: String, _ usual: Int) -> Int {
        getenv("NACRE_POWER_CUT_\(name)").flatMap { Int(String(cString: $0)) } ?? usual
    }
}
