import Curl
import Foundation
import TestSupport
import Testing

/// One service for a cluster that is well and others that are not.
@Suite("Many clusters", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ManyClustersTests {
    private static let quick = ["--ceph-option", "client_mount_timeout=5"]

    /// The cluster's own entry, between others.
    private func configuration(_ cluster: MicroCluster, _ others: [[String: any Sendable]]) throws -> String {
        let own = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: cluster.configurationPath)))
        var entries: [[String: Any]] = others.prefix(1).map { $0 }
        entries += own as? [[String: Any]] ?? []
        entries += others.dropFirst().map { $0 }
        let path = "/tmp/nacre-many-\(UInt32.random(in: 0...UInt32.max)).json"
        try JSONSerialization.data(withJSONObject: entries).write(to: URL(filePath: path))
        return path
    }

    /// A cluster whose monitors nobody reaches, before and after the one that is well, and monitors without an address.
    private static let away: [[String: any Sendable]] = [
        ["clusterID": "a-dead", "monitors": ["127.0.0.1:1"]], ["clusterID": "z-dead", "monitors": ["127.0.0.1:1"]],
        ["clusterID": "z-nowhere", "monitors": ["no-such-host.invalid:6789"]],
    ]

    @Test("A list has the volumes of all clusters that answer, and ends with an error that names the others")
    func list() async throws {
        let cluster = try #require(MicroCluster.current)
        let path = try configuration(cluster, Self.away)
        let service = try NacreProcess(cluster, configurationPath: path)
        let process = try await service.start(Self.quick)
        let names = (0..<3).map { "many-\($0)-\(UInt32.random(in: 0...UInt32.max))" }
        for name in names {
            let made = try await service.call("Controller/CreateVolume", service.createBody(name))
            #expect(made.status == 200, "\(made)")
        }
        // By large pages and by small ones.
        for entries in [0, 2] {
            var listed: [String] = []
            var token = ""
            var last = (status: 200, body: "")
            repeat {
                let body = #"{"maxEntries":\#(entries),"startingToken":"\#(token)"}"#
                last = try await service.call("Controller/ListVolumes", body)
                let page = try JSONSerialization.jsonObject(with: Data(last.body.utf8)) as? [String: Any] ?? [:]
                // A full page, too, knows of the clusters behind it: no other page waits for them.
                if entries == 2, token.isEmpty {
                    let next = page["nextToken"] as? String ?? ""
                    for away in ["a-dead", "z-dead", "z-nowhere"] { #expect(next.contains(away), "\(next)") }
                }
                listed += (page["entries"] as? [[String: Any]] ?? []).compactMap { entry in
                    (entry["volume"] as? [String: Any])?["volumeId"] as? String
                }
                token = page["nextToken"] as? String ?? ""
            } while !token.isEmpty
            #expect(Set(listed).count == listed.count && listed.count >= names.count)
            #expect(last.status == 503, "\(last)")
            for away in ["'a-dead'", "'z-dead'", "'z-nowhere'"] { #expect(last.body.contains(away), "\(last)") }
        }
        let capacity = try await service.call("Controller/GetCapacity", "{}")
        #expect(capacity.status == 200 && capacity.body.contains("availableCapacity"), "\(capacity)")
        #expect(try await process.stop() == .exited(0))
    }

    @Test("A command for a volume of a cluster that is well does not mind the others, and says what it did not see")
    func commands() async throws {
        let cluster = try #require(MicroCluster.current)
        let path = try configuration(cluster, Self.away)
        let service = try NacreProcess(cluster, configurationPath: path)
        let process = try await service.start(Self.quick)
        var nacre = NacreCommand(service, cluster: cluster)
        nacre.environment["NACRE_CONFIG"] = path
        let name = "beside-\(UInt32.random(in: 0...UInt32.max))"
        let made = try await nacre(
            "volume create \(name) --pool rbd --size 64MiB --cluster \(cluster.clusterID) --quiet"
        )
        let handle = made.output.filter { $0 != "\n" }
        #expect(made.status == 0, "\(made)")
        let list = try await nacre("volume list")
        #expect(list.status == 75 && list.output.contains(name) && list.notes.contains("'a-dead'"), "\(list)")
        for words in ["volume show \(name)", "volume expand \(name) --size 68MiB"] {
            let outcome = try await nacre(words)
            #expect(outcome.status == 0 && outcome.notes.contains("'z-dead'"), "nacre \(words): \(outcome)")
        }
        let none = try await nacre("volume show \(name)-none")
        #expect(none.status == 75 && none.notes.contains("'z-dead'"), "\(none)")
        // A name that another volume may have too deletes none.
        let unsure = try await nacre("volume delete \(name) --yes")
        #expect(unsure.status == 75 && unsure.notes.contains(handle), "\(unsure)")
        let nothing = try await nacre("volume delete \(name)-none --yes")
        #expect(nothing.status == 75 && !nothing.notes.contains("nothing was deleted"), "\(nothing)")
        for words in ["node locks", "node unfence 10.9.9.9 --plan"] {
            let outcome = try await nacre(words)
            #expect(outcome.status != 0 && outcome.notes.contains("a-dead"), "nacre \(words): \(outcome)")
        }
        let direct = try await nacre("volume list --direct --quiet")
        #expect(direct.status == 75 && direct.output.contains(handle) && direct.notes.contains("a-dead"), "\(direct)")
        #expect(try await nacre("volume show \(handle)").status == 0)
        let deleted = try await nacre("volume delete \(handle) --yes")
        #expect(deleted.status == 0 && deleted.output.contains("deleted"), "\(deleted)")
        #expect(try await process.stop() == .exited(0))
    }

    @Test("A cluster that dies while a service is connected to it delays a list by seconds, and is named")
    func dies() async throws {
        try await FaultyCluster.with { ill in
            try await FaultyCluster.with { well in
                try await well.adoptUsers(of: ill)
                let service = try NacreProcess(ill.cluster, configurationPath: try ill.joinedConfiguration(with: well))
                let process = try await service.start()
                let nacre = NacreCommand(service, cluster: ill.cluster)
                let (sick, sound) = (try ill.cluster.clusterID, try well.cluster.clusterID)
                for (name, cluster) in [("there", sick), ("here", sound)] {
                    let made = try await nacre("volume create \(name) --pool rbd --size 16MiB --cluster \(cluster)")
                    #expect(made.status == 0, "\(made)")
                }
                #expect(try await nacre("volume list").status == 0)
                try await ill.stop("osd.0", "mon.x")
                // Ceph's own time limits are 30 s and more.
                let list = try await nacre("volume list --output json --timeout 20s")
                #expect(list.status == 75 && list.output.contains(sound), "\(list)")
                #expect(list.notes.contains("'\(sick)'"), "\(list)")
                let shown = try await nacre("volume show here --timeout 30s")
                #expect(shown.status == 0, "\(shown)")
                let capacity = try await service.ask("Controller/GetCapacity", "{}", timeout: .seconds(20))
                #expect(capacity.isOK, "\(capacity)")
                #expect(try await process.stop() == .exited(0))
            }
        }
    }

    @Test("A deleted volume of a cluster that is well comes back beside clusters that are not")
    func undelete() async throws {
        let cluster = try #require(MicroCluster.current)
        let path = try configuration(cluster, Self.away)
        let service = try NacreProcess(cluster, configurationPath: path)
        let process = try await service.start(Self.quick + ["--trash-retention", "1h"])
        var nacre = NacreCommand(service, cluster: cluster)
        nacre.environment["NACRE_CONFIG"] = path
        let name = "kept-\(UInt32.random(in: 0...UInt32.max))"
        let own = try "--cluster \(cluster.clusterID)"
        let made = try await nacre("volume create \(name) --pool rbd --size 64MiB \(own) --quiet")
        let handle = made.output.filter { $0 != "\n" }
        #expect(made.status == 0, "\(made)")
        #expect(try await nacre("volume delete \(handle) --yes").status == 0)
        let all = try await nacre("volume undelete --quiet")
        #expect(all.status == 75 && all.output.contains(handle) && all.notes.contains("a-dead"), "\(all)")
        let alone = try await nacre("volume undelete \(own) --quiet")
        #expect(alone.status == 0 && alone.output.contains(handle), "\(alone)")
        let none = try await nacre("volume undelete \(name)-none")
        #expect(none.status == 75 && none.notes.contains("a-dead"), "\(none)")
        let back = try await nacre("volume undelete \(name)")
        #expect(back.status == 0 && back.notes.contains("not everywhere was looked"), "\(back)")
        #expect(try await nacre("volume show \(handle)").status == 0)
        #expect(try await process.stop() == .exited(0))
        let image = "rbd/\(handle.split(separator: "/").last ?? "")"
        #expect(system("rbd -c \(cluster.directory)/ceph.conf rm --no-progress \(image)") == 0)
    }

    @Test(
        "An entry of which no volume could be named is wrong, and is so alone",
        arguments: [
            ["clusterID": "a/b", "monitors": ["127.0.0.1:1"]], ["clusterID": "..", "monitors": ["127.0.0.1:1"]],
            ["clusterID": "a@b", "monitors": ["127.0.0.1:1"]],
            ["clusterID": String(repeating: "c", count: 100), "monitors": ["127.0.0.1:1"]],
            ["clusterID": "a", "monitors": ["127.0.0.1:1"], "rbd": ["radosNamespace": "a@b"]],
            ["clusterID": "a", "monitors": ["127.0.0.1:1"], "radosNamespace": ".."],
        ] as [[String: any Sendable]]
    )
    func unnameable(entry: [String: any Sendable]) async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster, configurationPath: try configuration(cluster, [entry]))
        let process = try await service.start()
        let name = "nameable-\(UInt32.random(in: 0...UInt32.max))"
        #expect(try await service.call("Controller/CreateVolume", service.createBody(name)).status == 200)
        let list = try await service.call("Controller/ListVolumes", "{}")
        #expect(list.status == 200 && list.body.contains("csi-vol-"), "\(list)")
        let health = String(decoding: try await service.get("/healthz").body, as: UTF8.self)
        #expect(health.contains("no volume can be named there"), "\(health)")
        #expect(try await process.stop() == .exited(0))
    }

    @Test("What was seen of a cluster leaves /healthz with it")
    func leaves() async throws {
        let cluster = try #require(MicroCluster.current)
        let path = try configuration(cluster, Self.away)
        let service = try NacreProcess(cluster, configurationPath: path)
        let process = try await service.start(Self.quick)
        func health() async throws -> (status: Int, text: String) {
            let answer = try await service.get("/healthz")
            return (answer.status, String(decoding: answer.body, as: UTF8.self))
        }
        try await eventually("the trash of the dead cluster is complained of", within: .seconds(180)) {
            let health = try await health()
            return health.status == 503 && health.text.contains("cannot look into the trash of cluster 'a-dead'")
                && !health.text.contains("cannot look into cannot")
        }
        try Data(contentsOf: URL(filePath: cluster.configurationPath)).write(to: URL(filePath: path))
        try await eventually("the service is well again", within: .seconds(180)) {
            let health = try await health()
            return health.status == 200 && !health.text.contains("a-dead")
        }
        #expect(try await process.stop() == .exited(0))
    }
}
