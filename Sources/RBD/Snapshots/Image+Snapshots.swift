internal import CRBD

/// All of these block; they belong on a `BlockingPool`.
extension Image {
    /// Makes a snapshot of what is written by now; whoever has the image's exclusive lock is asked to do it.
    ///
    /// Implements `rbd_snap_create2` without flags: who watches for quiescence (`watchForQuiescence`) is waited for. Similar
    /// to: rbd snap create. Every snapshot takes a number from the monitors, which is a commit there.
    ///
    /// - Parameter name: The snapshot's name.
    /// - Throws: `RBDError` with `.fileExists` if there is a snapshot of that name; `.readOnlyFileSystem` if the image is
    ///   open for reading alone; `.diskQuotaExceeded` at the image's limit of snapshots; `.timedOut` if the lock's holder
    ///   does not answer: the snapshot may come later.
    public func createSnapshot(_ name: String) throws(RBDError) {
        let result = withRawImage { rbd_snap_create2($0, name, 0, { _, _, _ in 0 }, nil) }
        try check(result, "rbd_snap_create2", "\(spec)@\(name)")
    }

    /// Removes a snapshot; one that clones of format 2 need goes to Ceph's own trash until the last of them is gone.
    ///
    /// Implements `rbd_snap_remove2` without flags: no clone is flattened, and nothing is unprotected. Similar to: rbd snap
    /// rm.
    ///
    /// - Parameter name: The snapshot's name.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` if there is none of that name; `.resourceBusy` if it is protected;
    ///   `.readOnlyFileSystem` if the image is open for reading alone.
    public func removeSnapshot(_ name: String) throws(RBDError) {
        let result = withRawImage { rbd_snap_remove2($0, name, 0, { _, _, _ in 0 }, nil) }
        try check(result, "rbd_snap_remove2", "\(spec)@\(name)")
    }

    /// Removes a snapshot of any kind by its number, as `removeSnapshot(_:)` does.
    ///
    /// Implements `rbd_snap_remove_by_id`.
    ///
    /// - Parameter id: The snapshot's number.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` if there is no such snapshot.
    public func removeSnapshot(id: UInt64) throws(RBDError) {
        try check(withRawImage { rbd_snap_remove_by_id($0, id) }, "rbd_snap_remove_by_id", "\(spec)@\(id)")
    }
}
