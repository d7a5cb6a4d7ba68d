internal import RADOS
internal import SystemPackage

/// What an image in the trash is, as far as its emptying needs to know: one read of its header.
struct TrashedHeader {
    let sizeBytes: UInt64
    let order: UInt8
    let features: ImageFeatures
    let flags: UInt64
    let dataPoolID: Int64
    let snapshots: Int
    /// `rbd_data.ID`: what the names of its data objects begin with.
    let prefix: String
    let group: String
    let lockers: Int

    /// Whether its object map tells which objects there are.
    ///
    /// See: librbd.h, `RBD_FLAG_OBJECT_MAP_INVALID`.
    var hasGoodMap: Bool { features.contains(.objectMap) && flags & 1 == 0 }

    /// Whether a removal only has to delete the image's objects, its header and its entry.
    var isPlain: Bool { features.isSubset(of: .emptied) && snapshots == 0 && group.isEmpty }
}

extension IOContext {
    /// Reads it; `nil` if there is no header.
    func trashedHeader(_ id: String) async throws(RBDError) -> TrashedHeader? {
        var head = Encoder()
        head.append(UInt64.max - 1)  // CEPH_NOSNAP
        var headAndAccess = head
        headAndAccess.append(true)
        let calls = [
            ClassCall("rbd", "get_size", input: head.bytes),
            ClassCall("rbd", "get_features", input: headAndAccess.bytes),
            ClassCall("rbd", "get_flags", input: head.bytes),
            ClassCall("rbd", "get_data_pool"),
            ClassCall("rbd", "get_snapcontext"),
            ClassCall("rbd", "get_object_prefix"),
            ClassCall("rbd", "image_group_get"),
            .askingOwners(of: .exclusive),
        ]
        guard let answers = try await classCalls(calls, on: ImageObject.header(ofID: id)) else { return nil }
        var parts = answers.map { Decoder($0) }
        guard let order = parts[0].number(UInt8.self), order < 32, let sizeBytes = parts[0].number(UInt64.self),
            let features = parts[1].number(UInt64.self), let flags = parts[2].number(UInt64.self),
            let dataPoolID = parts[3].number(Int64.self),
            parts[4].number(UInt64.self) != nil, let snapshots = parts[4].number(UInt32.self),
            let prefix = parts[5].string(), !prefix.isEmpty,
            var group = parts[6].structure(), group.number(Int64.self) != nil, let groupID = group.string(),
            let (owners, _) = Locker.all(in: answers[7])
        else {
            throw RBDError(call: "rbd.get_size", code: .ioError, subject: "\(label)/\(ImageObject.header(ofID: id))")
        }
        return TrashedHeader(
            sizeBytes: sizeBytes,
            order: order,
            features: ImageFeatures(rawValue: features),
            flags: flags,
            dataPoolID: dataPoolID,
            snapshots: Int(snapshots),
            prefix: prefix,
            group: groupID,
            lockers: owners.count
        )
    }

    /// The pool that an image's data lies in, with the namespace of its header.
    ///
    /// Blocks when it is another.
    func dataContext(_ poolID: Int64) throws(RADOSError) -> IOContext {
        guard poolID >= 0 else { return self }
        let pool = try cluster.poolName(id: poolID)
        return try cluster.ioContext(pool: pool, namespace: namespace, failsWhenFull: true)
    }
}

extension ImageFeatures {
    /// The features of images that may be emptied object by object; journaling and unknown features are not among them.
    fileprivate static let emptied: ImageFeatures = [
        .layering, .striping, .exclusiveLock, .objectMap, .fastDiff, .deepFlatten, .dataPool,
    ]
}
