internal import ExactText
public import Volumes

/// The backups at a destination.
public struct BackupStore: Sendable {
    let destination: any BackupDestination

    /// Opens a destination.
    ///
    /// - Parameters:
    ///   - name: Which.
    ///   - account: The server and the keys for one in a bucket.
    /// - Throws: `VolumeError` if the directory cannot be opened, or an account is missing.
    public init(_ name: DestinationName, account: S3Account?) async throws(VolumeError) {
        switch name {
        case .directory(let path): self.init(try await DirectoryDestination(path))
        case .bucket(let bucket, let prefix):
            guard let account else { throw .invalid("the S3 server of bucket '\(bucket)' is not given") }
            self.init(try S3Destination(account, bucket: bucket, prefix: prefix))
        }
    }

    init(_ destination: any BackupDestination) {
        self.destination = destination
    }

    /// As a person names it.
    public var name: String { destination.name }

    /// What was found of manifests.
    public struct Listing: Sendable {
        /// The backups, by volume, oldest first.
        public var backups: [Manifest] = []
        /// What is wrong with others, one sentence each.
        public var damaged: [VolumeError] = []
    }

    /// All backups, or those of a volume.
    ///
    /// - Throws: `VolumeError` if the destination cannot be read; one damaged manifest hides no other.
    public func backups(of volume: VolumeID? = nil) async throws(VolumeError) -> Listing {
        let prefix = volume.map { BackupKeys($0).manifests } ?? BackupKeys.manifests
        let keys = try await destination.keys(below: prefix).filter { $0.endsExactly(with: ".json") }
        let read = try await atOnce(keys, width: 8) {
            (key) async throws(VolumeError) -> Result<Manifest, VolumeError>? in
            let found: [UInt8]?
            do throws(VolumeError) {
                found = try await destination.bytes(of: key)
            } catch {
                guard error.code == .dataLoss else { throw error }
                return .failure(error)
            }
            guard let bytes = found else { return nil }
            do throws(Damage) {
                let manifest = try Manifest(parsing: bytes)
                // One that was put elsewhere by hand would be taken for a backup of another volume.
                guard BackupKeys(manifest.volume).manifest(manifest.id).isExactly(key) else {
                    throw Damage("it is the manifest of another backup")
                }
                return .success(manifest)
            } catch {
                return .failure(damaged(key, error))
            }
        }
        var listing = Listing()
        for case .some(let outcome) in read {
            switch outcome {
            case .success(let manifest): listing.backups.append(manifest)
            case .failure(let error): listing.damaged.append(error)
            }
        }
        listing.backups.sort { one, other in
            (ExactText("\(one.volume)"), ExactText(one.created), ExactText(one.id))
                < (ExactText("\(other.volume)"), ExactText(other.created), ExactText(other.id))
        }
        return listing
    }

    /// The backup of an id, or of how one begins.
    ///
    /// - Throws: `VolumeError` with `.notFound`, or with `.invalidArgument` if several begin so.
    public func backup(_ id: String) async throws(VolumeError) -> Manifest {
        // A variable of a script that is not set would mean the only one there is.
        guard !id.isEmpty else { throw .invalid("the backup's id is empty; 'nacre backup list' shows those there are") }
        let listing = try await backups()
        let found = listing.backups.filter { $0.id.startsExactly(with: id) }
        guard found.count < 2 else {
            throw .invalid("\(found.count) backups at '\(name)' begin with '\(id.printable)'; write more of the id")
        }
        if let one = found.first { return one }
        if let damage = listing.damaged.first(where: { $0.message.contains("/\(id)") }) { throw damage }
        throw VolumeError(
            .notFound,
            "there is no backup '\(id.printable)' at '\(name)'; 'nacre backup list' shows those there are"
        )
    }

    /// A backup's map.
    func map(of manifest: Manifest) async throws(VolumeError) -> BlockMap {
        let key = BackupKeys(manifest.volume).map(manifest.map)
        guard let bytes = try await destination.bytes(of: key) else {
            throw damaged(key, Damage("it is missing"))
        }
        do throws(Damage) {
            return try BlockMap(
                parsing: Chunk.content(of: bytes, named: manifest.map, most: Chunk.mostMapBytes)
            )
        } catch {
            throw damaged(key, error)
        }
    }

    /// A chunk's content.
    func content(of digest: Digest, _ keys: BackupKeys) async throws(VolumeError) -> [UInt8] {
        let key = keys.chunk(digest)
        guard let bytes = try await destination.bytes(of: key) else { throw damaged(key, Damage("it is missing")) }
        do throws(Damage) {
            return try Chunk.content(of: bytes, named: digest)
        } catch {
            throw damaged(key, error)
        }
    }

    /// Whether a chunk that is there can be read, and has the content that it is named by.
    func isWhole(_ digest: Digest, _ keys: BackupKeys) async throws(VolumeError) -> Bool {
        do throws(VolumeError) {
            _ = try await readingOne(of: keys) { () async throws(VolumeError) in try await content(of: digest, keys) }
            return true
        } catch {
            guard error.code == .dataLoss else { throw error }
            return false
        }
    }

    /// The chunks that are there.
    func chunks(_ keys: BackupKeys) async throws(VolumeError) -> Set<Digest> {
        Set(
            try await destination.keys(below: keys.chunks).compactMap { key in
                key.parts(at: "/").last.flatMap { Digest(parsing: $0) }
            }
        )
    }

    func damaged(_ key: String, _ damage: Damage) -> VolumeError {
        VolumeError(.dataLoss, "'\(key)' at '\(name)' is damaged: \(damage.reason)")
    }

    /// Does something while nobody else works on a volume's backups.
    func locked<R: Sendable>(
        _ keys: BackupKeys,
        for owner: String,
        _ progress: BackupProgress,
        _ body: (any DestinationLock) async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R {
        let lock = try await destination.lock(keys.lock, for: owner) { progress.enter($0) }
        do throws(VolumeError) {
            try await destination.tidy(below: [keys.data, keys.manifests])
            let result = try await body(lock)
            await lock.release()
            return result
        } catch {
            await lock.release()
            throw error
        }
    }
}
