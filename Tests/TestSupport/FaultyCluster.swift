import Foundation
import Glibc

/// A Ceph of one test's own, to be hurt: `tools/micro-cluster` on memory, two seconds to start, gone with the test.
public struct FaultyCluster: Sendable {
    /// The cluster.
    public let cluster: MicroCluster

    /// A command did not end well.
    public struct Failed: Error, CustomStringConvertible {
        /// The command and what it said.
        public let description: String
    }

    /// Starts a cluster, lends it to `body`, and takes it down, whether `body` returns or throws.
    ///
    /// - Parameters:
    ///   - osds: How many; 3 copies of everything from 3 on.
    ///   - keyType: Of its users' keys: `aes`, `aes256k`.
    ///   - body: What is done with it.
    /// - Throws: What `body` throws, or `Failed` when the cluster does not start.
    public static func with(
        osds: Int = 1,
        keyType: String = "aes",
        _ body: (FaultyCluster) async throws -> Void
    ) async throws {
        let directory = "/tmp/nacre-f\(UInt32.random(in: 0...UInt32.max))"
        let faulty = FaultyCluster(cluster: MicroCluster(directory: directory))
        let outcome: Result<Void, any Error>
        do {
            try await faulty.run(
                "up",
                ["--osds", "\(osds)", "--store", "memstore", "--key-type", keyType, "--timeout", "180"]
            )
            outcome = .success(try await body(faulty))
        } catch {
            outcome = .failure(error)
        }
        // A frozen daemon does not hear that it shall end.
        _ = try? await faulty.run("down", [])
        try outcome.get()
    }

    /// SIGSTOPs daemons.
    public func freeze(_ daemons: String...) async throws { try await run("freeze", daemons) }

    /// SIGCONTs daemons and waits until they serve.
    public func thaw(_ daemons: String...) async throws { try await run("thaw", daemons + ["--wait"]) }

    /// SIGKILLs daemons.
    public func stop(_ daemons: String...) async throws { try await run("stop", daemons) }

    /// Starts daemons again and waits until they serve.
    public func start(_ daemons: String...) async throws { try await run("start", daemons + ["--wait"]) }

    /// Has a daemon hear late what new connections say: each message waits for a time by chance.
    ///
    /// - Parameters:
    ///   - daemon: `osd.0`, `mon.x`.
    ///   - seconds: The longest wait; the usual one is half of it.
    /// - Throws: `ToolFailure`.
    public func delayMessages(to daemon: String, upTo seconds: Double) async throws {
        // The type last: it is what turns it on.
        for (name, value) in [("max", "\(seconds)"), ("probability", "1"), ("type", "client")] {
            try await ceph("tell", daemon, "config", "set", "ms_inject_delay_\(name)", value)
        }
    }

    /// Makes a pool for images whose OSDs never answer: it has no placement group anywhere.
    public func makeSilentPool(_ name: String) async throws {
        try await ceph("osd", "crush", "add-bucket", "empty", "root")
        try await ceph("osd", "crush", "rule", "create-replicated", "nowhere", "empty", "osd")
        try await ceph("osd", "pool", "create", name, "1", "1", "replicated", "nowhere")
        try await ceph("osd", "pool", "application", "enable", name, "rbd")
    }

    /// Runs `ceph` as the cluster's administrator and returns what it printed.
    @discardableResult
    public func ceph(_ arguments: String...) async throws -> String {
        try await run("exec", ["--", "ceph"] + arguments)
    }

    /// Has no OSD serve the placement group of an object: it is mapped to an OSD that never ran.
    ///
    /// - Parameters:
    ///   - object: The object.
    ///   - pool: Its pool.
    ///   - others: Objects of the pool that must be served.
    /// - Returns: Whether it is so; nothing is changed where one of the others is in the same group.
    /// - Throws: `Failed`.
    public func silence(_ object: String, in pool: String, butNot others: [String]) async throws -> Bool {
        let group = try await group(of: object, in: pool)
        for other in others where try await self.group(of: other, in: pool) == group { return false }
        try await ceph("osd", "new", UUID().uuidString.lowercased())
        // The least weight: no other group is mapped there.
        try await ceph("osd", "crush", "add", "osd.1", "0.00002", "root=default", "host=gone")
        try await ceph("osd", "in", "osd.1")
        try await ceph("osd", "pg-upmap", group, "1")
        return true
    }

    private func group(of object: String, in pool: String) async throws -> String {
        let answer = try await ceph("osd", "map", pool, object, "--format", "json")
        struct Place: Decodable { var pgid: String }
        return try JSONDecoder().decode(Place.self, from: Data(answer.utf8)).pgid
    }

    @discardableResult
    private func run(_ verb: String, _ arguments: [String]) async throws -> String {
        try await cluster.run(verb, arguments)
    }
}

extension MicroCluster {
    /// `tools/micro-cluster`, where this file was built.
    private static var tool: String {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../tools/micro-cluster").path
    }

    /// A program for tests, of `tools/lib/test`.
    public static func testTool(_ name: String) -> String {
        URL(filePath: tool).deletingLastPathComponent().appending(path: "lib/test/\(name)").standardized.path
    }

    /// Runs a program with the cluster's ceph.conf, as its administrator or another user, and returns what it printed.
    ///
    /// - Parameters:
    ///   - program: Its name and what follows.
    ///   - user: Such as `client.admin`.
    ///   - ofItsRelease: Whether it is the one of the cluster's own release of Ceph, with its libraries.
    ///   - limit: How long it may take.
    /// - Returns: What it printed.
    /// - Throws: `Failed` when it does not end with 0.
    @discardableResult
    public func execute(
        _ program: String...,
        as user: String = "client.admin",
        ofItsRelease: Bool = false,
        within limit: Duration = .seconds(240)
    ) async throws -> String {
        try await run("exec", ["--as", user] + (ofItsRelease ? ["--own"] : []) + ["--"] + program, within: limit)
    }

    /// Runs a verb of `tools/micro-cluster` and returns what it printed.
    func run(
        _ verb: String,
        _ arguments: [String],
        within limit: Duration = .seconds(240)
    ) async throws -> String {
        let outputPath = "\(directory)-\(UInt32.random(in: 0...UInt32.max)).out"
        defer { try? FileManager.default.removeItem(atPath: outputPath) }
        let process = try ChildProcess(
            Self.tool,
            [verb, "--dir", directory, "--quiet"] + arguments,
            log: outputPath
        )
        let end = try await process.end(within: limit)
        let output = (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? ""
        guard end == .exited(0) else {
            throw FaultyCluster.Failed(
                description: "micro-cluster \(verb) \(arguments.joined(separator: " ")): \(end): \(output)"
            )
        }
        return output
    }
}

extension FaultyCluster {
    /// The path of a config.json that the test may change.
    public func ownConfiguration() throws -> String {
        try write(try configurationText())
        return "\(cluster.directory)/changing.json"
    }

    /// The cluster's config.json with the messenger's version at each address.
    ///
    /// Without one, and at another port than 3300 and 6789, librados tries both versions by turns; the wrong one's time-out
    /// then hides what the right one says.
    public func configurationText() throws -> String {
        try String(contentsOfFile: cluster.configurationPath, encoding: .utf8)
            .replacing("\"127.0.0.1:", with: "\"v2:127.0.0.1:")
    }

    /// Replaces the config.json that the test may change, as an edited ConfigMap does.
    public func write(_ text: String) throws {
        try text.write(toFile: "\(cluster.directory)/changing.json", atomically: true, encoding: .utf8)
    }

    /// Writes one config.json of two clusters.
    public func joinedConfiguration(with other: FaultyCluster) throws -> String {
        let lists = try [self, other].map { faulty in
            try JSONSerialization.jsonObject(with: Data(faulty.configurationText().utf8)) as? [Any] ?? []
        }
        try write(String(decoding: JSONSerialization.data(withJSONObject: lists[0] + lists[1]), as: UTF8.self))
        return "\(cluster.directory)/changing.json"
    }

    /// Gives this cluster's provisioner the key that it has in another.
    public func adoptUsers(of other: FaultyCluster) async throws {
        let keyring = "\(other.cluster.directory)/keys/ceph.client.csi-rbd-provisioner.keyring"
        let text = try String(contentsOfFile: keyring, encoding: .utf8)
        let path = "\(cluster.directory)/adopted.keyring"
        let caps = ["mon", "mgr", "osd"].map { "\tcaps \($0) = \"profile rbd\"\n" }.joined()
        try "\(text)\n\(caps)".write(toFile: path, atomically: true, encoding: .utf8)
        try await ceph("auth", "import", "-i", path)
        for name in ["userID", "userKey"] {
            let value = try String(contentsOfFile: "\(other.cluster.provisionerSecret)/\(name)", encoding: .utf8)
            try value.write(toFile: "\(cluster.provisionerSecret)/\(name)", atomically: true, encoding: .utf8)
        }
    }
}
