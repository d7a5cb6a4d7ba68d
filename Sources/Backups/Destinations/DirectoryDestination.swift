internal import Blocking
internal import ExactText
internal import LinuxKernel
internal import Synchronization
internal import SystemPackage
internal import Volumes

/// Backups in a directory.
///
/// Every path goes through the directory as it was opened: what is mounted there later, or not any more, is not written to.
final class DirectoryDestination: BackupDestination {
    let name: String
    private let root: OwnedDescriptor
    private let threads = BlockingPool(threads: 8)

    /// Opens the directory, which must be there.
    init(_ path: String) async throws(VolumeError) {
        name = path
        do throws(KernelError) {
            root = try OwnedDescriptor(opening: path, DirectoryFiles.directoryFlags)
        } catch {
            throw Self.failure("open backup directory '\(path)'", error)
        }
    }

    /// The directory, whatever its name leads to by now.
    private var base: String { "/proc/self/fd/\(root.rawValue)/" }

    func bytes(of key: String) async throws(VolumeError) -> [UInt8]? {
        let base = base
        do throws(KernelError) {
            return try await threads.run { () throws(KernelError) in try DirectoryFiles.bytes(base + key) }
        } catch {
            guard DirectoryFiles.isDamage(error) else {
                throw Self.failure("read '\(key)' of backup directory '\(name)'", error)
            }
            // The others of that directory may be well.
            throw VolumeError(
                .dataLoss,
                "'\(key)' at '\(name)' is damaged: its disk does not read it (\(error.errnoName))"
            )
        }
    }

    func put(_ bytes: [UInt8], as key: String) async throws(VolumeError) {
        try await trying("write '\(key)' to") { (base) throws(KernelError) in
            try DirectoryFiles.replace(base + key, with: bytes, below: base)
        }
    }

    func keys(below prefix: String) async throws(VolumeError) -> [String] {
        try await trying("list '\(prefix)' of") { (base) throws(KernelError) in
            try DirectoryFiles.files(in: base + prefix.dropLast()).map { prefix + $0 }
        }
    }

    func sizes(below prefix: String) async throws(VolumeError) -> [String: UInt64] {
        try await trying("list '\(prefix)' of") { (base) throws(KernelError) in
            let keys = try DirectoryFiles.files(in: base + prefix.dropLast()).map { prefix + $0 }
            return keys.reduce(into: [:]) { $0[$1] = DirectoryFiles.size(base + $1) }
        }
    }

    func remove(_ key: String) async throws(VolumeError) {
        try await trying("remove '\(key)' from") { (base) throws(KernelError) in
            do throws(KernelError) {
                try KernelFile.remove(base + key)
            } catch {
                guard error.isNotFound else { throw error }
            }
        }
    }

    func tidy(below prefixes: [String]) async throws(VolumeError) {
        try await trying("tidy up") { (base) throws(KernelError) in
            for prefix in prefixes { try DirectoryFiles.tidy(in: base + prefix.dropLast()) }
        }
    }

    func lock(
        _ key: String,
        for owner: String,
        waiting: @Sendable (String) -> Void
    ) async throws(VolumeError) -> any DestinationLock {
        let lock = try await trying("lock '\(key)' of") { (base) throws(KernelError) in
            try DirectoryFiles.makeParents(of: base + key, below: base)
            return try FileLock.tryTake(base + key, for: owner)
        }
        guard let lock else {
            let other = (try? await bytes(of: key)).map { String(decoding: $0, as: UTF8.self) }
            throw .busy(name, other)
        }
        return HeldFile(lock)
    }

    /// The kernel ends it with the process, and it cannot be lost before.
    private final class HeldFile: DestinationLock {
        private let lock: Mutex<FileLock?>

        init(_ lock: FileLock) {
            self.lock = Mutex(lock)
        }

        func check() {}

        func release() { lock.withLock { $0 = nil } }
    }

    private func trying<R: Sendable>(
        _ doing: String,
        _ body: @escaping @Sendable (String) throws(KernelError) -> R
    ) async throws(VolumeError) -> R {
        let base = base
        do throws(KernelError) {
            return try await threads.run { () throws(KernelError) in try body(base) }
        } catch {
            throw Self.failure("\(doing) backup directory '\(name)'", error)
        }
    }

    /// What a person reads, and does.
    private static func failure(_ doing: String, _ error: KernelError) -> VolumeError {
        let goesOn = "the same command again goes on from what is there"
        let (code, remedy): (VolumeError.Code, String) =
            switch error.errno {
            case .noSpace, .diskQuotaExceeded: (.resourceExhausted, "make room there; \(goesOn)")
            case .readOnlyFileSystem: (.failedPrecondition, "mount it for writing; \(goesOn)")
            case .permissionDenied, .notPermitted: (.permissionDenied, "let this user write there; \(goesOn)")
            case .noSuchFileOrDirectory, .notDirectory:
                (.unavailable, "mount what should be there, or make the directory; \(goesOn)")
            default: (.unavailable, "see to what the directory is on; \(goesOn)")
            }
        return VolumeError(code, "cannot \(doing): \(error.words); \(remedy)")
    }
}

extension VolumeError {
    /// That another process works on a volume's backups.
    static func busy(_ destination: String, _ owner: String?) -> VolumeError {
        let line = owner?.parts(at: "\n", omittingEmpty: true).first?.printable
        return VolumeError(
            .aborted,
            "another nacre works on the backups of this volume at '\(destination)'\(line.map { ": \($0)" } ?? ""); wait for its "
                + "end, then repeat the command"
        )
    }
}
