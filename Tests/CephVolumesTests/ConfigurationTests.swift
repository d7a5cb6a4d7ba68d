import CephVolumes
import Foundation
import Secrets
import Testing
import Volumes

@Suite("ceph-csi's files")
struct ConfigurationTests: ~Copyable {
    let directory = URL(filePath: NSTemporaryDirectory()).appending(path: "nacre-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    private var path: String { directory.appending(path: "config.json").path }

    private func write(_ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    }

    @Test("Clusters, monitors and namespaces are read, other keys do not matter")
    func reads() throws {
        try write(
            """
            [{"clusterID":"a","monitors":["10.0.0.1:6789","10.0.0.2:6789"],"rbd":{"radosNamespace":"n"},
              "cephFS":{"subvolumeGroup":"csi"},"readAffinity":{"enabled":"false"}},
             {"clusterID":"b","monitors":["10.0.1.1"]}]
            """
        )
        let configuration = ClusterConfiguration(path: path)
        #expect(try configuration.cluster("a").monitors == ["10.0.0.1:6789", "10.0.0.2:6789"])
        #expect(try configuration.cluster("a").radosNamespace == "n")
        #expect(try configuration.cluster("b").radosNamespace == "")
        #expect {
            _ = try configuration.cluster("z")
        } throws: { error in
            guard let error = error as? VolumeError else { return false }
            return error.code == .invalidArgument && error.message.contains("'a', 'b'")
        }
    }

    @Test("A changed file takes effect at once, a broken one leaves the last good content and says why")
    func reloads() throws {
        try write(#"[{"clusterID":"a","monitors":["m1"]}]"#)
        let configuration = ClusterConfiguration(path: path)
        #expect(try configuration.cluster("a").monitors == ["m1"])
        try write(#"[{"clusterID":"a","monitors":["m2","m3"]}]"#)
        #expect(try configuration.cluster("a").monitors == ["m2", "m3"])
        try write(#"[{"clusterID":"a","monitors":"m4"}]"#)
        #expect(try configuration.cluster("a").monitors == ["m2", "m3"])
        #expect(configuration.entryFaults.first?.contains("wrong type") == true)
        try write("")
        #expect(try configuration.cluster("a").monitors == ["m2", "m3"])
        #expect(configuration.fault?.contains("not JSON") == true)
        try write(#"[{"clusterID":"a","monitors":["m4"]}]"#)
        #expect(try configuration.cluster("a").monitors == ["m4"])
        #expect(configuration.fault == nil && configuration.entryFaults.isEmpty)
    }

    @Test(
        "What is no list is refused as a whole, with its reason",
        arguments: [("", "not JSON"), ("{", "not JSON"), ("{}", "wrong type")]
    )
    func refuses(_ text: String, _ word: String) throws {
        try write(text)
        #expect(ClusterConfiguration(path: path).fault?.contains(word) == true)
    }

    @Test(
        "A broken entry is an error for who names it, also at the first reading, and for nobody else",
        arguments: [
            (#"{"clusterID":"a"}"#, "'monitors'"), (#"{"clusterID":"a","monitors":[]}"#, "no monitors"),
            (#"{"clusterID":"a","monitors":null}"#, "'monitors'"), (#"{"clusterID":"a","monitors":"m"}"#, "wrong type"),
            (#"{"clusterID":"a","monitors":["m",7]}"#, "wrong type"),
            (#"{"clusterID":"a","monitors":[""]}"#, "address"),
            (#"{"clusterID":"a","monitors":["m"],"rbd":[]}"#, "'rbd'"),
            (#"{"clusterID":"a","monitors":["m"],"rbd":{"radosNamespace":7}}"#, "'rbd.radosNamespace'"),
            (#"{"clusterID":"a","monitors":["m"]},{"clusterID":"a","monitors":["other"]}"#, "twice"),
            (#"{"monitors":["m"]}"#, "'clusterID'"), (#"{"clusterID":7,"monitors":["m"]}"#, "'clusterID'"),
            (#"{"clusterID":"","monitors":["m"]}"#, "empty clusterID"), ("null", "entry 1"), (#""a""#, "entry 1"),
        ]
    )
    func keepsOthers(_ entry: String, _ word: String) throws {
        try write(#"[\#(entry),{"clusterID":"b","monitors":["m"]}]"#)
        let configuration = ClusterConfiguration(path: path)
        #expect(try configuration.cluster("b").monitors == ["m"])
        #expect(configuration.fault == nil && configuration.clusters.count == 1)
        #expect(configuration.entryFaults.count == 1 && configuration.entryFaults[0].contains(word))
        #expect {
            _ = try configuration.cluster("a")
        } throws: { ($0 as? VolumeError)?.message.contains(word) == true }
    }

    @Test("A missing file is not an empty one")
    func missing() {
        #expect {
            _ = try ClusterConfiguration(path: path).cluster("a")
        } throws: { ($0 as? VolumeError)?.code == .unavailable }
    }

    @Test("A Secret's files are read afresh, by the rule for all Secrets")
    func secret() throws {
        let service = ServiceCredentials(directory: directory.path)
        #expect(throws: VolumeError.self) { _ = try service.read() }
        try Data("csi-rbd-node\n".utf8).write(to: directory.appending(path: "userID"))
        try Data("first\n".utf8).write(to: directory.appending(path: "userKey"))
        #expect(try service.read() == Credentials(userID: "csi-rbd-node", userKey: Secret("first")))
        try Data("second".utf8).write(to: directory.appending(path: "userKey"))
        #expect(try service.read().userKey == Secret("second"))
        try Data("AQD2AQAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==".utf8).write(to: directory.appending(path: "userID"))
        #expect {
            _ = try service.read()
        } throws: { error in
            guard let error = error as? VolumeError else { return false }
            return error.code == .failedPrecondition && !error.message.contains("AQD2")
        }
    }

    @Test("A service without a Secret says how to get one")
    func noSecret() {
        #expect {
            _ = try ServiceCredentials(directory: nil).read()
        } throws: { ($0 as? VolumeError)?.message.contains("--secret-dir") == true }
    }
}
