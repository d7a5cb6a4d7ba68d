import Foundation
import Glibc
import TestSupport
import Testing

/// Ceph's own S3 server on a test's own cluster: `radosgw` of the package of that name.
struct ObjectGateway: Sendable {
    static let program = "/usr/bin/radosgw"
    /// It wants a cluster of its own release: this machine's, or the one whose programs the tests run with.
    static var isThere: Bool {
        let variables = ProcessInfo.processInfo.environment
        let isOfTheCluster =
            variables["NACRE_MICRO_CLUSTER_ROOT"] != nil || variables["NACRE_CEPH_RELEASE"] ?? "pacific" == "pacific"
        return isOfTheCluster && FileManager.default.isExecutableFile(atPath: program)
    }
    static let lack =
        "needs the S3 server of the cluster's Ceph: --client same with a --release; else apt-get install --no-install-recommends radosgw"
    static let accessKey = "NACRETESTACCESSKEY00"
    static let secretKey = "nacre/test+secret/key+0123456789abcdefgh"

    /// It did not start to serve.
    struct NotServing: Error {
        let log: String
    }

    let faulty: FaultyCluster
    let endpoint: String
    private let process: ChildProcess

    /// Starts it, with a user and a bucket.
    init(_ faulty: FaultyCluster, bucket: String) async throws {
        self.faulty = faulty
        let directory = faulty.cluster.directory
        let port = try FreePort.next()
        endpoint = "http://127.0.0.1:\(port)"
        process = try ChildProcess(
            Self.program,
            [
                "-f", "-c", "\(directory)/ceph.conf", "-n", "client.admin", "--keyring",
                "\(directory)/keys/ceph.client.admin.keyring", "--rgw-frontends", "beast endpoint=127.0.0.1:\(port)",
                "--rgw-data", directory, "--log-file", "\(directory)/radosgw.log", "--pid-file",
                "\(directory)/radosgw.pid",
            ],
            log: "\(directory)/radosgw.out"
        )
        try await faulty.cluster.execute(
            "radosgw-admin",
            "user",
            "create",
            "--uid",
            "nacre",
            "--display-name",
            "nacre",
            "--access-key",
            Self.accessKey,
            "--secret-key",
            Self.secretKey
        )
        let end = ContinuousClock.now + .seconds(180)
        while try await s3("PUT", "/\(bucket)") != 200 {
            guard .now < end, process.isRunning else {
                let log = try? String(contentsOfFile: "\(directory)/radosgw.out", encoding: .utf8)
                throw NotServing(log: log ?? "")
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// A request of curl's own program, signed; its status.
    @discardableResult
    func s3(_ method: String, _ path: String, body: String? = nil, into file: String = "/dev/null") async throws -> Int
    {
        let data = body.map { "--data-binary @\($0) -H 'Content-Type: application/octet-stream'" } ?? ""
        let output = try await faulty.cluster.execute(
            "sh",
            "-c",
            "curl -s -o \(file) -w '%{http_code}' --aws-sigv4 aws:amz:us-east-1:s3 "
                + "--user '\(Self.accessKey):\(Self.secretKey)' -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "
                + "-X \(method) \(data) '\(endpoint)\(path)' || true"
        )
        return Int(output.filter(\.isNumber)) ?? 0
    }

    func stop() { process.send(SIGKILL) }

    /// The lab whose backups lie in the bucket.
    func lab(size: String, bucket: String, secretKey: String = secretKey) async throws -> BackupLab {
        var lab = try await BackupLab(faulty.cluster, size: size)
        lab.place = "s3://\(bucket)/some/prefix"
        lab.placeWords = ["--s3-endpoint", endpoint]
        lab.nacre.environment["AWS_ACCESS_KEY_ID"] = Self.accessKey
        lab.nacre.environment["AWS_SECRET_ACCESS_KEY"] = secretKey
        return lab
    }
}
