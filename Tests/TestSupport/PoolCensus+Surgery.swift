import Blocking
public import RADOS
import RBD

/// An entry of the object `rbd_trash`; `rbd_trash_list` hides those of interrupted removals.
public struct RawTrashEntry: Sendable, Hashable {
    /// The source of the move.
    ///
    /// See: cls/rbd/cls_rbd_types.h, `TrashImageSource`.
    public enum Source: UInt8, Sendable {
        /// `rbd_trash_move`.
        case user
        /// rbd-mirror.
        case mirroring
        /// A migration.
        case migration
        /// `rbd_remove`.
        case removing
        /// The removal of a clone's last snapshot.
        case userParent
    }

    /// Its state.
    ///
    /// See: `TrashImageState`.
    public enum State: UInt8, Sendable {
        /// In the trash.
        case normal
        /// `rbd_trash_move` is in progress, or was killed.
        case moving
        /// `rbd_trash_remove` is in progress, or was killed.
        case removing
        /// `rbd_trash_restore` is in progress, or was killed.
        case restoring
    }

    /// The image's id.
    public var id: String
    /// The name it had.
    public var name: String
    /// The source of the move.
    public var source: Source
    /// Its state.
    public var state: State
    /// Until when it must be kept, in seconds since 1970, where it is to be written; not read.
    public var keptUntil: UInt32

    /// Makes an entry.
    public init(id: String, name: String, source: Source = .user, state: State = .normal, keptUntil: UInt32 = 0) {
        self.id = id
        self.name = name
        self.source = source
        self.state = state
        self.keptUntil = keptUntil
    }
}

extension PoolCensus {
    /// Everything in the trash, whatever its state.
    public func rawTrash() async throws -> [RawTrashEntry] {
        var input = CephEncoding()
        input.append("")
        input.append(UInt64(1024))
        guard try await holds("rbd_trash") else { return [] }
        let answers = try await pool.read([ClassCall("rbd", "trash_list", input: input.bytes)], on: "rbd_trash")
        var decoding = CephDecoding(answers[0])
        let count: UInt32 = try decoding.number()
        var entries: [RawTrashEntry] = []
        for _ in 0..<count {
            let id = try decoding.string()
            var spec = try decoding.structure()
            let source: UInt8 = try spec.number()
            let name = try spec.string()
            let _: UInt64 = try spec.number()
            let _: UInt64 = try spec.number()
            let state: UInt8 = try spec.number()
            guard let source = RawTrashEntry.Source(rawValue: source), let state = RawTrashEntry.State(rawValue: state)
            else { throw CephDecoding.Malformed() }
            entries.append(RawTrashEntry(id: id, name: name, source: source, state: state))
        }
        return entries
    }

    /// Writes an entry to the trash, as a killed call of librbd does.
    ///
    /// Implements the class call `rbd.trash_add`.
    public func addToTrash(_ entry: RawTrashEntry) async throws {
        var spec = CephEncoding()
        spec.append(entry.source.rawValue)
        spec.append(entry.name)
        spec.append(UInt64(0))
        spec.append(UInt64(entry.keptUntil))
        spec.append(entry.state.rawValue)
        var input = CephEncoding()
        input.append(entry.id)
        input.append(version: 2, compatible: 1, spec)
        try await pool.execute(ClassCall("rbd", "trash_add", input: input.bytes), on: "rbd_trash")
    }

    /// Marks an image as trashed by Nacre, as Nacre does just before the move.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - seconds: When, in seconds since 1970; 0 fits entries of `addToTrash`.
    ///   - isMoving: Whether librbd is to move it, which chooses the entry's time.
    /// - Throws: The error of Ceph.
    public func markAsTrashed(_ id: String, at seconds: Int64, isMoving: Bool = false) async throws {
        let mark = "\(isMoving ? "moving " : "")\(seconds).000000000 client.test"
        try await pool.setMetadata(["nacre.io/trashed": mark], ofImageID: id)
    }

    /// Removes a name from the directory, and nothing else.
    ///
    /// Implements the class call `rbd.dir_remove_image`.
    public func unlist(_ name: String, id: String) async throws {
        var input = CephEncoding()
        input.append(name)
        input.append(id)
        try await pool.execute(ClassCall("rbd", "dir_remove_image", input: input.bytes), on: ImageObject.directory)
    }

    /// Removes an object.
    public func removeObject(_ object: String) async throws {
        try await pool.remove(object)
    }

    /// Runs a blocking operation on the pool, such as opening an image, on a thread of the blocking pool.
    public func blocking<R: Sendable, Failure: Error>(
        _ body: @escaping @Sendable (IOContext) throws(Failure) -> R
    ) async throws(Failure) -> R {
        let pool = pool
        return try await Self.threads.run { () throws(Failure) in try body(pool) }
    }

    private static let threads = BlockingPool(threads: 8)

    /// Whether an object exists in the pool.
    public func holds(_ object: String) async throws -> Bool {
        try await pool.sizeBytes(of: object) != nil
    }
}
