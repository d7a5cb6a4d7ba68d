internal import Curl
internal import ExactText
internal import Volumes

/// Backups in a bucket of a server that speaks S3.
///
/// The server must know conditional writes (`If-None-Match: *` and `If-Match`), as Ceph's gateway, MinIO and Amazon do.
struct S3Destination: BackupDestination {
    let name: String
    private let client: S3Client
    private let prefix: String

    init(_ account: S3Account, bucket: String, prefix: String) throws(VolumeError) {
        client = try S3Client(account, bucket: bucket)
        self.prefix = prefix
        name = "s3://\(bucket)/\(prefix)"
    }

    func bytes(of key: String) async throws(VolumeError) -> [UInt8]? {
        try await object(key)?.bytes
    }

    func put(_ bytes: [UInt8], as key: String) async throws(VolumeError) {
        let doing = "write '\(key)' to"
        let answer = try await client.send("PUT", prefix + key, body: bytes, doing)
        guard answer.status == 200 else { throw client.failure(doing, answer) }
    }

    func keys(below part: String) async throws(VolumeError) -> [String] {
        var keys: [String] = []
        try await list(part) { page in
            // What somebody else put there cannot be asked for by a path as it is.
            keys += S3Client.texts("Key", in: page).map(key).filter(BackupKeys.isKey)
        }
        return keys
    }

    func sizes(below part: String) async throws(VolumeError) -> [String: UInt64] {
        var sizes: [String: UInt64] = [:]
        try await list(part) { page in
            for object in S3Client.texts("Contents", in: page).map({ Array($0.utf8) }) {
                let size = S3Client.texts("Size", in: object).first.flatMap { UInt64($0) }
                if let found = S3Client.texts("Key", in: object).first { sizes[key(found)] = size }
            }
        }
        return sizes
    }

    private func key(_ found: String) -> String { String(found.dropFirst(prefix.count)) }

    /// Asks for all pages of a list.
    private func list(_ part: String, _ take: ([UInt8]) -> Void) async throws(VolumeError) {
        let doing = "list '\(part)' of"
        var last: String?
        while true {
            var query: [(name: String, value: String)] = [("list-type", "2"), ("prefix", prefix + part)]
            if let last { query.append(("start-after", last)) }
            let answer = try await client.send("GET", "", query: query, doing)
            guard answer.status == 200 else { throw client.failure(doing, answer) }
            take(answer.body)
            guard S3Client.texts("IsTruncated", in: answer.body).first == "true",
                let next = S3Client.texts("Key", in: answer.body).last
            else { return }
            // It would never end.
            guard !next.isExactly(last ?? "") else {
                throw VolumeError(
                    .unimplemented,
                    "cannot \(doing) '\(name)': the server gives the same page again, whatever 'start-after' says; use another one"
                )
            }
            last = next
        }
    }

    /// How long a removal is tried: the lock that was looked at before it is nobody else's for longer.
    private static let removalPatience = Duration.seconds(15)

    func remove(_ key: String) async throws(VolumeError) {
        let doing = "remove '\(key)' from"
        let answer = try await client.send("DELETE", prefix + key, doing, within: Self.removalPatience)
        guard [200, 204].contains(answer.status) || isAbsent(answer) else { throw client.failure(doing, answer) }
    }

    /// A server has an object whole or not at all.
    func tidy(below prefixes: [String]) {}

    func lock(
        _ key: String,
        for owner: String,
        waiting: @Sendable (String) -> Void
    ) async throws(VolumeError) -> any DestinationLock {
        try await S3Lock.take(key, of: self, for: owner, waiting: waiting)
    }

    /// An object with its version.
    func object(_ key: String) async throws(VolumeError) -> (bytes: [UInt8], version: String)? {
        let doing = "read '\(key)' of"
        let answer = try await client.send("GET", prefix + key, doing)
        if isAbsent(answer) { return nil }
        guard answer.status == 200 else { throw client.failure(doing, answer) }
        return (answer.body, answer.header("etag") ?? "")
    }

    /// Writes an object if it has a version yet.
    ///
    /// - Parameters:
    ///   - bytes: What it gets.
    ///   - key: The object.
    ///   - version: The version that it must have; `nil` for an object that must not exist.
    ///   - patience: How long it is tried.
    /// - Returns: The new version; `nil` if it had another one.
    /// - Throws: `VolumeError`.
    func replace(
        _ bytes: [UInt8],
        as key: String,
        ifVersion version: String?,
        within patience: Duration
    ) async throws(VolumeError) -> String? {
        guard let version else {
            return try await put(bytes, key, (name: "If-None-Match", value: "*"), within: patience)
        }
        if let new = try await put(bytes, key, (name: "If-Match", value: version), within: patience) { return new }
        // Ceph's gateway gives a version in quotes, as HTTP wants it, and compares it without them.
        let bare = String(version.drop { $0 == "\"" }.prefix { $0 != "\"" })
        return try await put(bytes, key, (name: "If-Match", value: bare), within: patience)
    }

    private func put(
        _ bytes: [UInt8],
        _ key: String,
        _ condition: (name: String, value: String),
        within patience: Duration
    ) async throws(VolumeError) -> String? {
        let doing = "lock '\(key)' of"
        let answer = try await client.send(
            "PUT",
            prefix + key,
            headers: [condition],
            body: bytes,
            doing,
            within: patience
        )
        switch answer.status {
        case 200: return answer.header("etag") ?? ""
        // A conflict is another write at this moment.
        case 409, 412: return nil
        // An object that is not there has no version; a write that needs none gets that answer from no S3 server.
        case 404 where isAbsent(answer) && condition.name == "If-Match": return nil
        default: throw client.failure(doing, answer)
        }
    }

    private func isAbsent(_ answer: HTTPResponse) -> Bool {
        answer.status == 404 && S3Client.texts("Code", in: answer.body).first != "NoSuchBucket"
    }
}
