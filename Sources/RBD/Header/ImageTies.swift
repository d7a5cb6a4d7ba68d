public import RADOS
internal import SystemPackage

/// What holds an image in Ceph: `rbd_trash_move` takes an image that has it, and `rbd_trash_remove` then refuses it.
///
/// rbd-mirror's snapshots are not among it: both calls remove them.
public struct ImageTies: Sendable, Hashable {
    /// The names of its snapshots, those of groups left out; the first 64 of many.
    public let snapshots: [String]
    /// Those of them that are protected: a purge ends at them.
    public let protectedSnapshots: [String]
    /// Whether a group of images has a snapshot of it; of many, those that were looked at for `snapshots` count.
    public let hasGroupSnapshots: Bool
    /// Whether snapshots of it were deleted that clones still need; of many, as with `hasGroupSnapshots`.
    public let hasClones: Bool
    /// The images that were cloned from its snapshots and need them.
    public let clones: [ImageClone]
    /// Whether there may be more of them: a pool's list was not answered, or not to this user.
    public let hasUnseenClones: Bool
    /// The group that it belongs to, by its name, or by its id where that is all that is known.
    public let group: String?

    /// Whether nothing holds the image.
    public var isEmpty: Bool { snapshots.isEmpty && !hasGroupSnapshots && !hasClones && group == nil }
}

extension IOContext {
    /// What holds an image, by its id, also in the trash; `nil` if its header is missing.
    ///
    /// One round trip for an image without snapshots and group. The image is not opened. Who clones are costs a read for each
    /// pool of the cluster, where a snapshot is protected or counts clones, and at most some seconds.
    ///
    /// Implements the class calls `rbd.get_snapcontext`, `rbd.snapshot_get`,
    /// `rbd.get_protection_status`, `rbd.image_group_get`, `rbd.group_dir_list`.
    public func ties(ofImageID id: String) async throws(RBDError) -> ImageTies? {
        let header = ImageObject.header(ofID: id)
        // Snapshots that go away between the reads are looked for again.
        for _ in 0..<4 {
            guard let (snapshots, groupID) = try await snapshotsAndGroup(onHeader: header) else { return nil }
            // A snapshot context has the newest first; people know them in the order in which they were made.
            var rest = Array(snapshots.reversed())
            var found: [ImageSnapshot] = []
            var isChanged = false
            while !rest.isEmpty, found.count < 64, !isChanged {
                let page = try await readSnapshots(Array(rest.prefix(64)), on: header)
                rest = Array(rest.dropFirst(64))
                found += (page ?? []).filter { $0.kind != .mirror }
                isChanged = page == nil
            }
            guard !isChanged else { continue }
            var group: String?
            if !groupID.isEmpty { group = try await groupName(groupID) ?? groupID }
            let users = found.filter { $0.kind == .user || $0.kind == .other }.prefix(64)
            let cloned = found.prefix(64).filter { $0.isProtected || $0.cloneCount > 0 }
            let clones = await clones(of: cloned, ofImageID: id)
            return ImageTies(
                snapshots: users.map(\.name),
                protectedSnapshots: users.filter(\.isProtected).map(\.name),
                hasGroupSnapshots: found.contains { $0.kind == .group },
                hasClones: found.contains { $0.kind == .trash },
                clones: clones.found,
                hasUnseenClones: clones.isPartial,
                group: group
            )
        }
        throw RBDError(call: "rbd.snapshot_get", code: .resourceBusy, subject: "\(label)/\(header)")
    }

    /// Whether an image has no snapshots, also of rbd-mirror, and is in no group, so that it has no ties: one round trip.
    ///
    /// Implements the class calls `rbd.get_snapcontext`, `rbd.image_group_get`.
    ///
    /// - Parameter id: The image's id.
    /// - Returns: Whether nothing holds it; `nil` if its header is missing. Where it is false, `ties` tells more.
    /// - Throws: `RBDError`.
    public func isUntied(imageID id: String) async throws(RBDError) -> Bool? {
        guard let found = try await snapshotsAndGroup(onHeader: ImageObject.header(ofID: id)) else { return nil }
        return found.snapshots.isEmpty && found.groupID.isEmpty
    }

    /// The numbers of an image's snapshots, newest first, and the id of its group, empty without one.
    private func snapshotsAndGroup(
        onHeader header: String
    ) async throws(RBDError) -> (snapshots: [UInt64], groupID: String)? {
        let calls = [ClassCall("rbd", "get_snapcontext"), ClassCall("rbd", "image_group_get")]
        guard let answers = try await classCalls(calls, on: header) else { return nil }
        var context = Decoder(answers[0])
        var membership = Decoder(answers[1])
        guard context.number(UInt64.self) != nil, let count = context.number(UInt32.self),
            var spec = membership.structure(), spec.number(Int64.self) != nil, let groupID = spec.string()
        else { throw RBDError(call: "rbd.get_snapcontext", code: .ioError, subject: "\(label)/\(header)") }
        var snapshots: [UInt64] = []
        for _ in 0..<count {
            if let snapshot = context.number(UInt64.self) { snapshots.append(snapshot) }
        }
        return (snapshots, groupID)
    }

    /// A group's name, where the group is in this pool and one of its first 1024.
    private func groupName(_ id: String) async throws(RBDError) -> String? {
        var input = Encoder()
        input.append("")
        input.append(UInt64(1024))
        let call = ClassCall("rbd", "group_dir_list", input: input.bytes)
        guard let answers = try await classCalls([call], on: ImageObject.groups) else { return nil }
        var decoder = Decoder(answers[0])
        return decoder.map()?.first { $0.value == id }?.key
    }
}
