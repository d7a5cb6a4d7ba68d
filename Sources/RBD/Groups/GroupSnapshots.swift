internal import CRBD
public import RADOS
internal import SystemPackage

/// A snapshot of a whole group of images.
public struct GroupSnapshot: Sendable, Hashable {
    /// Its name.
    public let name: String
    /// Whether every image of the group has its part; a killed call leaves one that is not complete.
    public let isComplete: Bool
}

/// All of these block; they belong on a `BlockingPool`.
extension IOContext {
    /// Makes a snapshot of all images of a group at one instant.
    ///
    /// librbd takes the exclusive lock of every image first, so that nobody writes while the parts are made: writers on
    /// other nodes are asked for it, and have it back with their next write. Each image gets a snapshot of kind `group`,
    /// whose `groupPart` leads here.
    ///
    /// Implements `rbd_group_snap_create2` without flags: whoever watches one of the images for quiescence is waited for.
    /// Similar to: rbd group snap create. Each image's part takes a number from the monitors.
    ///
    /// - Parameters:
    ///   - snapshot: The snapshot's name.
    ///   - group: The group's name.
    /// - Throws: `RBDError` with `.fileExists` if the group has a snapshot of that name, complete or not;
    ///   `.noSuchFileOrDirectory` if there is no such group.
    public func createGroupSnapshot(_ snapshot: String, ofGroup group: String) throws(RBDError) {
        let result = withRawContext { rbd_group_snap_create2($0, group, snapshot, 0) }
        try check(result, "rbd_group_snap_create2", "\(label)/\(group)@\(snapshot)")
    }

    /// Removes a group's snapshot, and the parts that its images have of it.
    ///
    /// Implements `rbd_group_snap_remove`. Similar to: rbd group snap rm.
    ///
    /// - Parameters:
    ///   - snapshot: The snapshot's name.
    ///   - group: The group's name.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` if there is no such group or snapshot.
    public func removeGroupSnapshot(_ snapshot: String, ofGroup group: String) throws(RBDError) {
        let result = withRawContext { rbd_group_snap_remove($0, group, snapshot) }
        try check(result, "rbd_group_snap_remove", "\(label)/\(group)@\(snapshot)")
    }

    /// A group's snapshots; none if there is no such group.
    ///
    /// Implements `rbd_group_snap_list`. Similar to: rbd group snap ls. It also has those that are not complete.
    public func snapshots(ofGroup group: String) throws(RBDError) -> [GroupSnapshot] {
        var capacity = 32
        while true {
            var infos = [rbd_group_snap_info_t](repeating: rbd_group_snap_info_t(), count: capacity)
            let size = MemoryLayout<rbd_group_snap_info_t>.size
            let result = withRawContext { rbd_group_snap_list($0, group, &infos, size, &capacity) }
            guard result != -Errno.outOfRange.rawValue else { continue }
            try check(result, "rbd_group_snap_list", "\(label)/\(group)")
            defer { rbd_group_snap_list_cleanup(&infos, size, capacity) }
            return infos.prefix(capacity).map { info in
                GroupSnapshot(
                    name: String(cString: info.name),
                    isComplete: info.state == RBD_GROUP_SNAP_STATE_COMPLETE
                )
            }
        }
    }
}
