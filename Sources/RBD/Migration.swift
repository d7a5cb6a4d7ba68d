internal import CRBD
public import RADOS
internal import SystemPackage

/// An image on its way to another pool, namespace, name or layout.
public struct MigrationStatus: Sendable, Hashable {
    /// How far it is.
    public enum State: Sendable, Hashable {
        /// A step failed.
        case failed
        /// `prepareMigration` is at work, or was killed.
        case preparing
        /// Clients use the new image, which reads from the old one what it does not have yet.
        case prepared
        /// Data are being copied, or that was killed.
        case executing
        /// All data are copied.
        case executed
        /// `abortMigration` is at work, or was killed.
        case aborting
        /// Ceph does not say, or a later release has invented it.
        case unknown
    }

    /// One end of it.
    public struct End: Sendable, Hashable {
        /// The pool's number.
        public let poolID: Int64
        /// The RADOS namespace; empty for the default one.
        public let namespace: String
        /// The image's name.
        public let name: String
        /// The image's id.
        public let id: String
    }

    /// The old image, which lies in the trash since it was prepared.
    public let source: End
    /// The new one.
    public let destination: End
    /// How far it is.
    public let state: State
    /// What librbd says of the state: `12% complete`.
    public let description: String
}

/// All of these block; they belong on a `BlockingPool`.
extension IOContext {
    /// Begins to move an image: makes the new one, which reads from the old one, and takes the old one out of sight.
    ///
    /// Implements `rbd_migration_prepare`. Similar to: rbd migration prepare. Nobody may have the image open; whoever opens it
    /// afterwards has to use the new name, where that is another.
    ///
    /// - Parameters:
    ///   - name: The image's name, in this pool.
    ///   - destination: The pool it goes to.
    ///   - newName: The name that it has there; in another pool it may be the same.
    ///   - options: Its new layout; what is not given stays. With another object size it has no stripes, unless those are
    ///     given too.
    /// - Throws: `RBDError` with `.resourceBusy` if someone has it open; `.fileExists` if the new name is taken;
    ///   `.noSuchFileOrDirectory` if there is no such image.
    public func prepareMigration(
        of name: String,
        to destination: IOContext,
        as newName: String,
        options: ImageOptions
    ) throws(RBDError) {
        let subject = "\(label)/\(name)"
        try withRawOptions(options.inheritingNoStripes, [], subject) { (raw) throws(RBDError) in
            let result = withRawContext { source in
                destination.withRawContext { rbd_migration_prepare(source, name, $0, newName, raw) }
            }
            try check(result, "rbd_migration_prepare", subject)
        }
    }

    /// Copies what the new image does not have yet; clients may use it meanwhile.
    ///
    /// Implements `rbd_migration_execute_with_progress`. Similar to: rbd migration execute. A killed one goes on when it is
    /// called again.
    ///
    /// - Parameters:
    ///   - name: The old or the new image's name.
    ///   - progress: Called with what is done and the total, from a thread of librbd.
    /// - Throws: `RBDError` with `.invalidArgument` if it is not prepared.
    public func executeMigration(
        of name: String,
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) throws(RBDError) {
        try migrate(name, "rbd_migration_execute_with_progress", progress) {
            rbd_migration_execute_with_progress($0, name, reportProgress, $1)
        }
    }

    /// Ends a move whose data are copied: the old image goes, and the new one is as any other.
    ///
    /// Implements `rbd_migration_commit_with_progress`. Similar to: rbd migration commit.
    ///
    /// - Parameters:
    ///   - name: The old or the new image's name.
    ///   - progress: Called with what is done and the total, from a thread of librbd.
    /// - Throws: `RBDError` with `.invalidArgument` if not all is copied yet, or it is not on its way.
    public func commitMigration(
        of name: String,
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) throws(RBDError) {
        try migrate(name, "rbd_migration_commit_with_progress", progress) {
            rbd_migration_commit_with_progress($0, name, reportProgress, $1)
        }
    }

    /// Takes a move back: the old image has its place again, and the new one goes.
    ///
    /// Implements `rbd_migration_abort_with_progress`. Similar to: rbd migration abort. What was written to the new image is
    /// in the old one by then.
    ///
    /// - Parameters:
    ///   - name: The old or the new image's name.
    ///   - progress: Called with what is done and the total, from a thread of librbd.
    /// - Throws: `RBDError` with `.resourceBusy` if someone has the new one open; `.invalidArgument` if it is not on its way.
    public func abortMigration(
        of name: String,
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) throws(RBDError) {
        try migrate(name, "rbd_migration_abort_with_progress", progress) {
            rbd_migration_abort_with_progress($0, name, reportProgress, $1)
        }
    }

    /// How far an image's move is; `nil` if it is not on its way.
    ///
    /// Implements `rbd_migration_status`. Similar to: rbd status.
    ///
    /// - Parameter name: The old or the new image's name.
    /// - Returns: Both ends and the state.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` if there is no such image.
    public func migrationStatus(of name: String) throws(RBDError) -> MigrationStatus? {
        var raw = rbd_image_migration_status_t()
        let result = withRawContext { rbd_migration_status($0, name, &raw, MemoryLayout.size(ofValue: raw)) }
        guard result != -Errno.invalidArgument.rawValue else { return nil }
        try check(result, "rbd_migration_status", "\(label)/\(name)")
        defer { rbd_migration_status_cleanup(&raw) }
        return MigrationStatus(raw)
    }

    private func migrate(
        _ name: String,
        _ call: String,
        _ progress: @escaping @Sendable (UInt64, UInt64) -> Void,
        _ body: (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> CInt
    ) throws(RBDError) {
        let always = { @Sendable (done: UInt64, total: UInt64) in
            progress(done, total)
            return true
        }
        let result = withRawContext { raw in withProgress(always) { body(raw, $0) } }
        try check(result, call, "\(label)/\(name)")
    }
}

extension MigrationStatus {
    fileprivate init(_ raw: rbd_image_migration_status_t) {
        source = End(
            poolID: raw.source_pool_id,
            namespace: String(cString: raw.source_pool_namespace),
            name: String(cString: raw.source_image_name),
            id: String(cString: raw.source_image_id)
        )
        destination = End(
            poolID: raw.dest_pool_id,
            namespace: String(cString: raw.dest_pool_namespace),
            name: String(cString: raw.dest_image_name),
            id: String(cString: raw.dest_image_id)
        )
        state =
            switch raw.state {
            case RBD_IMAGE_MIGRATION_STATE_ERROR: .failed
            case RBD_IMAGE_MIGRATION_STATE_PREPARING: .preparing
            case RBD_IMAGE_MIGRATION_STATE_PREPARED: .prepared
            case RBD_IMAGE_MIGRATION_STATE_EXECUTING: .executing
            case RBD_IMAGE_MIGRATION_STATE_EXECUTED: .executed
            case RBD_IMAGE_MIGRATION_STATE_ABORTING: .aborting
            default: .unknown
            }
        description = String(cString: raw.state_description)
    }
}
