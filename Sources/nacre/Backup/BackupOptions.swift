import ArgumentParser
import Backups
import ExactText
import Glibc
import LinuxKernel
import Secrets
import Timestamps
import Volumes

/// How a server that speaks S3 is reached; its keys are never arguments.
struct S3Options: ParsableArguments {
    @Option(
        name: .customLong("s3-endpoint"),
        help: ArgumentHelp("The S3 server: https://host:port (AWS_ENDPOINT_URL).", valueName: "url")
    )
    var givenEndpoint: String?

    @Option(
        name: .customLong("s3-region"),
        help: ArgumentHelp("The region of the bucket (AWS_REGION; default: us-east-1).", valueName: "region")
    )
    var givenRegion: String?

    @Option(
        name: .customLong("s3-secret-dir"),
        help: ArgumentHelp(
            "Directory with the files accessKey and secretKey of an S3 user (NACRE_S3_SECRET_DIR).",
            discussion: "Without it, the keys are those of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            valueName: "directory"
        ),
        completion: .directory
    )
    var givenSecretDir: String?

    @Option(
        name: .customLong("s3-ca"),
        help: ArgumentHelp(
            "The certificate authorities of the S3 server, as PEM; the system's without.",
            valueName: "file"
        ),
        completion: .file()
    )
    var authorities: String?

    /// The server and the keys.
    func account() throws -> S3Account {
        guard let endpoint = givenEndpoint ?? Environment.value("AWS_ENDPOINT_URL") else {
            throw CommandFailure(.usage, "the S3 server is not given; name it by --s3-endpoint or AWS_ENDPOINT_URL")
        }
        let directory = givenSecretDir ?? Environment.value("NACRE_S3_SECRET_DIR")
        let pem = try authorities.map { try Self.bytes($0, "the certificate authorities of the S3 server") }
        return try S3Account(
            endpoint: endpoint,
            region: givenRegion ?? Environment.value("AWS_REGION") ?? "us-east-1",
            authorities: pem,
            accessKey: Self.key("accessKey", "AWS_ACCESS_KEY_ID", directory),
            secretKey: Self.key("secretKey", "AWS_SECRET_ACCESS_KEY", directory)
        )
    }

    private static func key(_ file: String, _ variable: String, _ directory: String?) throws -> Secret {
        if let directory {
            var bytes = try Self.bytes("\(directory)/\(file)", "a key of the S3 user")
            while bytes.last == UInt8(ascii: "\n") || bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            return Secret(bytes)
        }
        guard let text = Environment.value(variable) else {
            throw CommandFailure(
                .usage,
                "no S3 user is given; name the directory with accessKey and secretKey by --s3-secret-dir, or set "
                    + "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        }
        return Secret(text)
    }

    private static func bytes(_ path: String, _ what: String) throws -> [UInt8] {
        do throws(KernelError) {
            return try KernelFile.bytes(path)
        } catch {
            let fault = InputFile.fault(path)
            throw CommandFailure(
                fault?.status ?? .failed,
                "\(what) cannot be read: \(fault?.reason ?? error.description)"
            )
        }
    }
}

/// Where backups are.
struct BackupSource: ParsableArguments {
    @Option(
        help: "Where the backups are: a directory, or s3://bucket/prefix.",
        completion: .directory
    )
    var from: String

    @OptionGroup var s3: S3Options

    /// Opens it.
    func store() async throws -> BackupStore { try await BackupStore.open(from, s3) }
}

extension BackupStore {
    /// Opens what a person named.
    static func open(_ name: String, _ s3: S3Options) async throws -> BackupStore {
        let place = try DestinationName(parsing: name)
        guard case .directory(let path) = place else { return try await BackupStore(place, account: s3.account()) }
        // Relative paths are those of this process.
        let absolute = path.startsExactly(with: "/") ? path : "\(try currentDirectory())/\(path)"
        return try await BackupStore(.directory(absolute), account: nil)
    }
}

/// The directory that relative paths begin in.
private func currentDirectory() throws -> String {
    guard let path = getcwd(nil, 0) else {
        throw CommandFailure(.failed, "the directory of this process is gone; name the backups by an absolute path")
    }
    defer { free(path) }
    return String(cString: path)
}

/// How the commands reach Ceph that copy volumes.
struct BackupConnection: ParsableArguments {
    @Option(
        help: "ceph-csi's config.json: which clusters there are (NACRE_CONFIG).",
        completion: .file(extensions: ["json"])
    )
    var config = Environment.value("NACRE_CONFIG") ?? "/etc/ceph-csi-config/config.json"

    @Option(
        help: "Directory with the files userID and userKey of a Ceph user (NACRE_SECRET_DIR).",
        completion: .directory
    )
    var secretDir: String?

    @Option(
        help: "How long it may take to find or make the volume; the copying itself goes on as long as it comes on.",
        transform: timeLimit
    )
    var timeout = TimeLimit(seconds: 60)

    /// The same, for what is done on Ceph besides.
    func ceph() throws -> CephOptions {
        try CephOptions.parse(
            ["--config", config, "--timeout", "\(timeout)"] + (secretDir.map { ["--secret-dir", $0] } ?? [])
        )
    }
}

/// A command that copies for long.
struct BackupWork: Sendable {
    let progress = BackupProgress()
    let isQuiet: Bool

    /// Who works on backups, for others.
    static var owner: String {
        "nacre on '\(ThisMachine.name)', process \(getpid()), since \(Timestamp.text(.sinceEpoch))"
    }

    /// Does it, and tells how far it is.
    func callAsFunction<R: Sendable>(_ title: String, _ body: () async throws -> R) async throws -> R {
        let progress = progress
        let line = ProgressLine(isQuiet: isQuiet, columns: Terminal().errorColumns)
        return try await line.during(title, step: { progress.phrase }, body)
    }

    /// The same for what changes something; an interruption says what goes on.
    func changing<R: Sendable>(_ title: String, _ body: () async throws -> R) async throws -> R {
        try await Interruption.changing(title, "the same command again goes on from what is there") {
            try await self(title, body)
        }
    }
}
