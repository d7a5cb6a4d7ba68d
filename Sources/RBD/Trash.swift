internal import CRBD
public import RADOS
internal import SystemPackage

/// An image in the trash.
public struct TrashEntry: Sendable, Hashable {
    /// The image's id.
    public let id: String
    /// The name it had.
    public let name: String
    /// When it was moved, in seconds of Unix time.
    public let deletedAt: Int64
    /// Until when it must be kept, in seconds of Unix time.
    public let deferredUntil: Int64
    /// Whether a person or program moved it there; false for mirroring, migration and the removal of snapshots.
    public let wasMovedByUser: Bool
}

extension IOContext {
    /// Moves an image to the trash: it loses its name and keeps its data.
    ///
    /// Blocks; its time does not grow with the data.
    ///
    /// Implements `rbd_trash_move`. Similar to: rbd trash mv. It also moves an image that another client has open and
    /// goes on writing to: ask `watchers` first.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - retention: For how long nobody can remove it without force, in whole seconds.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` when there is no such image.
    public func moveToTrash(_ name: String, keptFor retention: Duration = .zero) throws(RBDError) {
        let result = withRawContext { rbd_trash_move($0, name, UInt64(max(0, retention.components.seconds))) }
        try check(result, "rbd_trash_move", "\(label)/\(name)")
    }

    /// Takes an image out of the trash under the name it had, or another.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rbd_trash_restore`. Similar to: rbd trash restore.
    public func restoreFromTrash(id: String, as name: String) throws(RBDError) {
        let result = withRawContext { rbd_trash_restore($0, id, name) }
        try check(result, "rbd_trash_restore", "\(label)/\(id)")
    }

    /// Everything in the trash.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rbd_trash_list`. Similar to: rbd trash ls.
    public func trashEntries() throws(RBDError) -> [TrashEntry] {
        var capacity = 64
        while true {
            var infos = [rbd_trash_image_info_t](repeating: rbd_trash_image_info_t(), count: capacity)
            let result = withRawContext { rbd_trash_list($0, &infos, &capacity) }
            guard result != -Errno.outOfRange.rawValue else { continue }
            try check(result, "rbd_trash_list", label)
            defer { rbd_trash_list_cleanup(&infos, capacity) }
            return infos.prefix(capacity).map { info in
                TrashEntry(
                    id: String(cString: info.id),
                    name: String(cString: info.name),
                    deletedAt: Int64(info.deletion_time),
                    deferredUntil: Int64(info.deferment_end_time),
                    wasMovedByUser: info.source == RBD_TRASH_IMAGE_SOURCE_USER
                )
            }
        }
    }

    /// Removes an image in the trash with all its data.
    ///
    /// Blocks as long as there are objects to delete.
    ///
    /// Implements `rbd_trash_remove_with_progress` without force. Similar to: rbd trash rm.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - progress: Called with the objects done and the total, from a thread of librbd.
    /// - Throws: `RBDError` with `.resourceBusy` while someone watches it, `.directoryNotEmpty` while it has snapshots,
    ///   `.notPermitted` before its deferment ends, `.noSuchFileOrDirectory` when it is gone.
    public func removeFromTrash(
        id: String,
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) throws(RBDError) {
        let always = { @Sendable (done: UInt64, total: UInt64) in
            progress(done, total)
            return true
        }
        let result = withRawContext { raw in
            withProgress(always) { rbd_trash_remove_with_progress(raw, id, false, reportProgress, $0) }
        }
        try check(result, "rbd_trash_remove", "\(label)/\(id)")
    }
}
