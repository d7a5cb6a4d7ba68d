import Foundation
import TestSupport
import Testing

/// The table of exit codes: situations and their exit codes.
@Suite("Exit codes", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ExitCodeTests {
    /// A situation.
    struct Case {
        let line: String
        let status: Int32
        /// Words of the message.
        let says: String

        init(_ line: String, _ status: Int32, _ says: String = "") {
            self.line = line
            self.status = status
            self.says = says
        }
    }

    /// With a service and a volume 'there' of 64MiB; D is a directory with files that have one fault each.
    static let cases: [Case] = [
        Case("", 0, "USAGE"), Case("--help", 0, "USAGE"), Case("version", 0, "nacre 0."), Case("--version", 0),
        Case("exit-codes", 0, "77"), Case("node", 0, "fence"), Case("controller", 0, "orphans"),
        Case("volume", 0, "create"), Case("vloume list", 64, "nacre volume"), Case("list", 64, "nacre volume list"),
        Case("volume lst", 64, "nacre volume list"), Case("frobnicate", 64),
        Case("volume list", 0, "there"), Case("volume ls", 0, "there"), Case("volume list -o wide", 0, "VOLUME-ID"),
        Case("volume list -o xml", 64, "wide"), Case("volume list --max 0", 64, "--max"),
        Case("volume list --timeout 5x", 64, "60s, 5m or 1h"), Case("volume list --timeout 0", 64, "60s, 5m or 1h"),
        Case("volume list --timeout 2m", 0), Case("volume list --timeout 120", 0),
        Case("volume list --socket D/none.sock", 69, "nacre serve"),
        Case("volume list --socket D/empty", 69, "no socket"),
        Case("volume list --direct", 0, "there"), Case("volume list --direct --secret-dir D/none", 66, "userID"),
        Case("volume list --direct --secret-dir D/wrong", 77), Case("volume list --direct --secret-dir D/blank", 64),
        Case("volume list --direct --config D/none.json", 66, "config.json"),
        Case("volume list --direct --config D/empty", 64, "config.json"),
        Case("volume list --direct --config D", 64, "directory"),
        Case("volume create there --pool rbd --size 64MiB", 0, "exists already"),
        Case("volume create there --pool rbd --size 128MiB", 73, "64 MiB"),
        Case("volume create x --size 64MiB", 64, "--pool"), Case("volume create x --pool rbd --size ten", 64, "10GiB"),
        Case("volume create x --pool rbd --size 0", 64, "--size"), Case("volume create x --pool none", 64, "none"),
        Case("volume create x --pool rbd --fs ntfs", 64, "xfs"),
        Case("volume create x --pool rbd --block --fs xfs", 64),
        Case("volume create x --pool rbd --secret-dir D/none", 66),
        Case("volume create x --pool rbd --cluster c", 64, "c"),
        Case("volume create x --pool rbd --secret-dir D/wrong", 77),
        Case("volume create x --pool rbd --size 10", 64, "10GiB"),
        Case("volume create x --pool rbd --limit 1000", 64, "10GiB"),
        Case("volume expand there --size 20", 64, "10GiB"),
        Case("volume create x\u{202E}y --pool rbd", 64, "direction"),
        Case("volume create x\u{FFFD} --pool rbd", 64, "UTF-8"),
        Case("volume list --pool none", 64, "replicapool"), Case("volume list --watch --pool none", 64, "pool 'none'"),
        Case("volume list --pool rbd", 0, "there"),
        Case("volume list --direct --config D/nothing.json", 64, "names no cluster"),
        Case("volume undelete --config D/nothing.json", 64, "names no cluster"),
        Case("volume undelete there --config D/nothing.json", 64, "names no cluster"),
        Case("node locks --config D/nothing.json", 64, "names no cluster"),
        Case("volume delete gone --yes --direct --config D/nothing.json", 64, "names no cluster"),
        Case("controller orphans list --kubeconfig D/kube --config D/nothing.json", 64, "names no cluster"),
        Case("controller orphans list --kubeconfig D/kube --config D/hollow.json", 75, "has no monitors"),
        Case(
            "controller orphans remove --pool rbd --kubeconfig D/kube --config D/nothing.json",
            64,
            "names no cluster"
        ),
        Case("controller orphans remove --pool rbd --kubeconfig D/kube --config D/half.json", 75, "nothing was done"),
        Case("volume list --direct --config D/hollow.json", 75, "has no monitors"),
        Case("volume show gone --direct --config D/hollow.json", 75, "has no monitors"),
        Case("volume show gone --direct --config D/half.json", 75, "cannot tell whether there is a volume 'gone'"),
        Case("volume show gone --direct --config D/nothing.json", 64, "names no cluster"),
        Case("volume show a/b//c --direct --config D/nothing.json", 64, "names no cluster"),
        Case("volume create x --pool rbd --direct --config D/nothing.json", 64, "names no cluster"),
        Case("volume create x --cluster a --pool rbd --direct --config D/nothing.json", 64, "names no cluster"),
        Case("volume expand gone --size 64MiB --direct --config D/nothing.json", 64, "names no cluster"),
        Case("volume expand a/b//c --size 64MiB --direct --config D/nothing.json", 64, "names no cluster"),
        Case("volume delete a/b//c --yes --direct --config D/nothing.json", 64, "names no cluster"),
        Case("volume mount gone D/mnt --direct --socket D/none.sock --config D/nothing.json", 64, "names no cluster"),
        Case("volume map a/b//c --direct --socket D/none.sock --config D/nothing.json", 64, "names no cluster"),
        Case("volume undelete a/b//c --config D/nothing.json", 64, "names no cluster"),
        Case("node fence none --yes --config D/nothing.json", 64, "names no cluster"),
        Case("node unfence 10.0.0.7 --yes --config D/nothing.json", 64, "names no cluster"),
        Case("node unfence 10.0.0.7 --yes --config D/hollow.json", 75, "has no monitors"),
        Case("volume show gone --direct --config D/none.json", 66, "config.json"),
        Case("volume show gone --direct --config D/empty", 64, "config.json"),
        Case("volume delete gone --yes --direct --config D/hollow.json", 75, "has no monitors"),
        Case("node locks --config D/hollow.json", 75, "has no monitors"),
        Case("node fence none --yes --config D/hollow.json", 75, "has no monitors"),
        Case("volume undelete", 0), Case("volume undelete none", 66, "no deleted volume 'none'"),
        Case("volume undelete there", 0, "is there"), Case("volume undelete rbd/there --pool rbd", 0, "is there"),
        Case("volume undelete there --pool replicapool", 66, "in pool 'replicapool'"),
        Case("volume undelete --pool none", 64, "there is no pool 'none'"), Case("volume undelete --socket D/s", 64),
        Case("vol list", 64, "nacre volume'?"), Case("volume snapshot there", 64, "which has create"),
        Case("volume rename there", 64, "which has create"), Case("volume help list", 64, "nacre help volume list"),
        Case("volume show there", 0, "64MiB"), Case("volume status there", 0), Case("volume show rbd/there", 0),
        Case("volume show their", 66, "'there'"), Case("volume show ../there", 66), Case("volume show", 64),
        Case("volume show a/b//c", 66, "cluster 'a'"),
        Case("volume expand there --size 64MiB", 0), Case("volume resize there --size 1MiB", 0, "no volume shrinks"),
        Case("volume expand none --size 64MiB", 66), Case("volume expand there", 64, "--size"),
        Case("volume expand there --size 8E", 64), Case("volume expand there --size 64MiB --secret-dir D/wrong", 77),
        Case("volume delete none --yes", 0, "nothing was deleted"), Case("volume delete there", 64, "--yes"),
        Case("volume rm there --plan", 0, "64MiB"), Case("volume delete there --plan --yes", 64),
        Case("volume delete there --confirm there", 64, "--confirm"),
        Case("volume delete a/b//c --yes", 64, "cluster 'a'"), Case("volume delete a/b//c", 64, "cluster 'a'"),
        Case("volume delete a/b//c --plan", 64, "cluster 'a'"),
        Case("volume delete a/b//c --yes --direct", 64, "cluster 'a'"),
        Case("volume delete a/b//c --plan --direct", 64, "cluster 'a'"),
        Case(
            "volume create there --pool rbd --size 64MiB --parameter trashRetention=1d",
            0,
            "no trashRetention, where '1d'"
        ),
        Case(
            "volume create there --pool rbd --size 64MiB --parameter poolSizeFactor=0",
            0,
            "nacre.io/pool-size-factor 0"
        ),
        Case("volume create there --pool rbd --size 64MiB --fs ext4", 0, "exists already"),
        Case("volume create there --pool rbd --size 64MiB --fs xfs", 73, "no file system was named"),
        Case("volume delete there --yes --secret-dir D/wrong", 77),
        Case("volume unmount none", 0, "nothing to do"), Case("volume unmount D", 0, "nothing to do"),
        Case("volume unmap none", 0, "nothing to do"), Case("volume umount /proc", 1, "umount"),
        Case("volume mount none D/mnt", 66), Case("volume mount there /etc", 1, "not empty"),
        Case("volume mount there /proc", 1), Case("volume map none", 66), Case("volume map there --mounter iscsi", 64),
        Case("node locks", 0), Case("node fence none --yes", 66, "nacre node locks"), Case("node fence", 64),
        Case("node fence none --confirm none", 64), Case("node unfence 10.0.0.7 --yes", 0, "no blocklist"),
        Case("node locks --secret-dir D/none", 66), Case("node locks --secret-dir D/wrong", 77),
        Case("node run --kubeconfig D/none", 66, "D/none"), Case("node run --no-such", 64),
        Case("node run --idle-timeout 0s", 64, "--idle-timeout"),
        Case("controller run", 64, "--kubeconfig"), Case("controller run --kubeconfig D/none", 66, "D/none"),
        Case("controller run --kubeconfig D/empty", 64), Case("controller run --lease-duration 1s", 64, "5s"),
        Case("controller --kubeconfig D/none", 64),
        Case("controller orphans list", 64, "--kubeconfig"),
        Case("controller orphans list --kubeconfig D/none", 66, "D/none"),
        Case("controller orphans remove --pool rbd --kubeconfig D/none", 66), Case("controller orphans remove", 64),
        Case("serve --request-timeout 1d", 64, "--request-timeout"), Case("serve --log-level loud", 64, "loud"),
        Case("serve --mounter iscsi", 64, "auto"), Case("serve --metrics-address nowhere", 64, "0.0.0.0:9808"),
        Case("serve --trash-retention 5x", 64, "72h"), Case("serve --node-id=", 64, "--node-id"),
        Case("serve --log-level loud", 64, "nacre serve --help"),
    ]

    /// As a user who may read nothing of these.
    static let withoutRights: [Case] = [
        Case("volume list", 77, "socket"), Case("volume unmount there", 77, "socket"),
        Case("volume list --socket D/shut/s.sock", 77, "socket"),
        Case("volume list --direct --secret-dir D/shut", 77, "userID"),
        Case("volume list --direct --secret-dir D/wrong --config D/shut/config.json", 77, "config.json"),
        Case("volume create x --cluster c --pool rbd --secret-dir D/shut", 77, "userID"),
        Case("volume show gone --direct --secret-dir D/shut", 77, "D/shut/userID"),
        Case("volume delete gone --yes --direct --secret-dir D/shut", 77, "D/shut/userID"),
        Case("volume expand gone --size 64MiB --direct --secret-dir D/shut", 77, "D/shut/userID"),
        Case("volume mount gone D/mnt --direct --secret-dir D/shut", 77, "D/shut/userID"),
        Case("volume undelete --secret-dir D/shut", 77, "D/shut/userID"),
        Case("node locks --secret-dir D/shut", 77, "D/shut/userID"),
        Case("node fence none --yes --secret-dir D/shut", 77, "D/shut/userID"),
        Case("node unfence 10.0.0.7 --yes --secret-dir D/shut", 77, "D/shut/userID"),
        Case("controller orphans list --secret-dir D/shut --kubeconfig D/kube", 77, "D/shut/userID"),
        Case(
            "volume expand there --size 128MiB --direct --secret-dir D/wrong --config D/config.json --state-dir D/shut",
            77,
            "run the command as root"
        ),
        Case("volume show gone --direct --secret-dir D/wrong --config D/shut/config.json", 77, "D/shut/config.json"),
        Case(
            "volume delete gone --yes --direct --secret-dir D/wrong --config D/shut/config.json",
            77,
            "D/shut/config.json"
        ),
        Case(
            "volume create x --pool rbd --direct --secret-dir D/wrong --config D/shut/config.json",
            77,
            "D/shut/config.json"
        ),
        Case("volume undelete --secret-dir D/wrong --config D/shut/config.json", 77, "D/shut/config.json"),
        Case("node locks --secret-dir D/wrong --config D/shut/config.json", 77, "D/shut/config.json"),
        Case("node fence none --yes --secret-dir D/wrong --config D/shut/config.json", 77, "D/shut/config.json"),
        Case(
            "controller orphans list --secret-dir D/wrong --config D/shut/config.json --kubeconfig D/kube",
            77,
            "D/shut/config.json"
        ),
        Case("controller run --kubeconfig D/shut/kubeconfig", 77), Case("node run --kubeconfig D/shut/kubeconfig", 77),
        Case("controller orphans list --secret-dir D/wrong --config D/config.json --kubeconfig D/shut/kubeconfig", 77),
    ]

    @Test("Every situation ends with its code, and says what is wrong")
    func table() async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        let process = try await service.start()
        let nacre = NacreCommand(service, cluster: cluster)
        let directory = "\(service.directory)/d"
        try Self.makeFiles(directory, cluster, service)
        #expect(try await nacre("volume create there --pool rbd --size 64MiB").status == 0)
        for (cases, isNobody) in [(Self.cases, false), (Self.withoutRights, true)] {
            for entry in cases {
                let words = entry.line.split(separator: " ").map {
                    $0 == "D" || $0.hasPrefix("D/") ? directory + $0.dropFirst() : String($0)
                }
                let outcome = try await nacre(words, isNobody: isNobody)
                let says = entry.says.hasPrefix("D") ? directory + entry.says.dropFirst() : entry.says
                let wanted: Comment = "nacre \(entry.line)\(isNobody ? ", as nobody" : ""): \(outcome)"
                #expect(outcome.status == entry.status, wanted)
                #expect((outcome.output + outcome.notes).contains(says) || says.isEmpty, wanted)
            }
        }
        #expect(try await nacre("volume show there").output.contains("64MiB"), "nothing of it may change the volume")
        #expect(try await nacre("volume rm there --yes").status == 0)
        #expect(try await nacre("volume rm there --yes").notes.contains("nothing was deleted"))
        #expect(try await process.stop() == .exited(0))
        #expect(try await nacre("volume list").status == 69)
    }

    private static func makeFiles(_ directory: String, _ cluster: MicroCluster, _ service: NacreProcess) throws {
        let files = FileManager.default
        // A well-formed key of another user.
        let key = try String(contentsOfFile: "\(cluster.nodeSecret)/userKey", encoding: .utf8)
        for name in ["shut", "wrong", "blank"] {
            try files.createDirectory(atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
            for file in ["userID", "userKey"] {
                let text = file == "userID" ? "csi-rbd-provisioner" : key
                try (name == "blank" ? "" : text)
                    .write(toFile: "\(directory)/\(name)/\(file)", atomically: true, encoding: .utf8)
            }
        }
        for name in ["shut/config.json", "shut/kubeconfig", "empty"] {
            try "".write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
        }
        try "[]".write(toFile: "\(directory)/nothing.json", atomically: true, encoding: .utf8)
        try #"[{"clusterID":"hollow","monitors":[]}]"#
            .write(toFile: "\(directory)/hollow.json", atomically: true, encoding: .utf8)
        try files.copyItem(atPath: cluster.configurationPath, toPath: "\(directory)/config.json")
        // One cluster that can be used, and one that cannot.
        try String(contentsOfFile: cluster.configurationPath, encoding: .utf8)
            .replacing("[", with: #"[{"clusterID":"hollow","monitors":[]},"#, maxReplacements: 1)
            .write(toFile: "\(directory)/half.json", atomically: true, encoding: .utf8)
        // Of a Kubernetes that does not answer.
        try """
        apiVersion: v1
        kind: Config
        current-context: none
        clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
        contexts: [{name: none, context: {cluster: none, user: none}}]
        users: [{name: none, user: {token: none}}]
        """.write(toFile: "\(directory)/kube", atomically: true, encoding: .utf8)
        try files.setAttributes([.posixPermissions: 0o700], ofItemAtPath: "\(directory)/shut")
    }
}
