import Blocking
public import Curl
import Foundation
import Secrets

/// A real `nacre serve` on its own socket, which tests kill and restart.
public final class NacreProcess: Sendable {
    /// The directory of its socket, state and log.
    public let directory: String
    private let cluster: MicroCluster
    private let configurationPath: String
    private let client = HTTPClient(pool: BlockingPool(threads: 32))

    /// Prepares one in a fresh directory.
    public init(_ cluster: MicroCluster, configurationPath: String? = nil) throws {
        self.cluster = cluster
        self.configurationPath = configurationPath ?? cluster.configurationPath
        directory = "/tmp/nacre-t\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Its socket.
    public var socketPath: String { "\(directory)/nacre.sock" }

    /// Its log.
    public var logPath: String { "\(directory)/log" }

    /// Its log.
    public var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// The program, in the directory of the test's bundle.
    public static var program: String {
        var folder = URL(filePath: CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0])
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let candidate = folder.appending(path: "nacre").path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        return "nacre"
    }

    /// Starts it and waits until it answers.
    ///
    /// - Parameters:
    ///   - arguments: Flags in addition to those with paths.
    ///   - environment: Variables in addition to this process's.
    ///   - hasUser: Whether it gets its own Ceph user.
    /// - Returns: The process.
    /// - Throws: If it does not answer within three minutes.
    public func start(
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        hasUser: Bool = true
    ) async throws -> ChildProcess {
        let process = try ChildProcess(
            Self.program,
            [
                "serve", "--socket", socketPath, "--config", configurationPath,
                "--state-dir", "\(directory)/state", "--log-level", "debug",
            ] + (hasUser ? ["--secret-dir", cluster.provisionerSecret] : []) + arguments,
            environment: environment,
            log: logPath
        )
        let end = ContinuousClock.now + .seconds(180)
        while ContinuousClock.now < end, process.isRunning {
            if (try? await get("/metrics"))?.status == 200 { return process }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw NotServing(log: log)
    }

    /// It did not start to serve.
    public struct NotServing: Error {
        /// Its log.
        public let log: String
    }

    /// Gets a page.
    public func get(_ path: String) async throws -> HTTPResponse {
        try await client.send(HTTPRequest(unixSocket: socketPath, path: path, timeout: .seconds(120)))
    }

    /// Makes a call with a JSON body and returns the status and the answer.
    public func call(
        _ method: String,
        _ body: String,
        timeout: Duration = .seconds(60)
    ) async throws -> (status: Int, body: String) {
        let milliseconds = Int(timeout / .milliseconds(1))
        let answer = try await client.send(
            HTTPRequest(
                "POST",
                unixSocket: socketPath,
                path: "/csi.v1.\(method)",
                headers: [("Content-Type", "application/json"), ("Connect-Timeout-Ms", "\(milliseconds)")],
                body: Array(body.utf8),
                timeout: timeout + .seconds(60)
            )
        )
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    /// The JSON of a Secret for requests.
    public func secrets() throws -> String {
        let credentials = try cluster.provisioner
        let key = credentials.userKey.withBytes { String(decoding: $0, as: UTF8.self) }
        return #"{"userID":"\#(credentials.userID)","userKey":"\#(key)"}"#
    }

    /// The body of a CreateVolume.
    public func createBody(
        _ name: String,
        pool: String = "replicapool",
        bytes: Int = 64 << 20,
        parameters: [String: String] = [:]
    ) throws -> String {
        let more = parameters.sorted { $0.key < $1.key }.map { #","\#($0.key)":"\#($0.value)""# }.joined()
        return """
            {"name":"\(name)","capacityRange":{"requiredBytes":"\(bytes)"},
            "volumeCapabilities":[{"mount":{},"accessMode":{"mode":"SINGLE_NODE_WRITER"}}],
            "parameters":{"clusterID":"\(try cluster.clusterID)","pool":"\(pool)"\(more)},"secrets":\(try secrets())}
            """
    }

    /// A layout that only librbd can create.
    public static let stripes = ["stripeUnit": "65536", "stripeCount": "4"]
}
