internal import ExactText
public import RADOS
internal import SystemPackage

/// A snapshot that can be cloned, and what of its image a clone takes over.
public struct CloneableSnapshot: Sendable {
    /// The pool that has the image.
    public let context: IOContext
    /// The image's id.
    public let imageID: String
    /// The snapshot, of kind `user`.
    public let snapshot: ImageSnapshot
    /// The image's features now.
    let features: ImageFeatures
    /// What else is done with the image, as bits.
    let operations: UInt64
    /// The power of two of an object's size.
    let order: UInt8

    /// Whether a clone needs nothing but what `makeClone` writes.
    ///
    /// See: rbd/features.h, `RBD_OPERATION_FEATURES_ALL`: parent and child of clones, groups, snapshots in the trash.
    var isPlain: Bool {
        features.contains(.layering) && features.isSubset(of: Self.plain) && operations & ~0xf == 0
    }

    private static let plain: ImageFeatures = [
        .layering, .exclusiveLock, .objectMap, .fastDiff, .deepFlatten, .journaling, .operations,
    ]

    /// What a clone of it has beside its name, so that whoever finds no header can tell the parent.
    func place(forCloneID id: String) -> ClonePlaceNote {
        ClonePlaceNote(
            cloneID: id,
            poolID: context.poolID,
            namespace: context.namespace,
            imageID: imageID,
            snapshotID: snapshot.id
        )
    }
}

/// The snapshot that may list a clone, as it is written beside the clone's name.
package struct ClonePlaceNote: Sendable, Hashable {
    static let attributeName = "nacre.clone-of"

    let cloneID: String
    let poolID: Int64
    let namespace: String
    let imageID: String
    let snapshotID: UInt64

    var attribute: ObjectAttribute {
        ObjectAttribute(Self.attributeName, "\(cloneID) \(poolID) \(imageID) \(snapshotID) \(namespace)")
    }

    package init(cloneID: String, poolID: Int64, namespace: String, imageID: String, snapshotID: UInt64) {
        (self.cloneID, self.poolID, self.namespace) = (cloneID, poolID, namespace)
        (self.imageID, self.snapshotID) = (imageID, snapshotID)
    }

    /// Reads an attribute's value; nothing if it is no such text.
    init?(parsing text: String) {
        // The namespace is last: it alone may have spaces.
        let words = text.parts(at: " ", most: 4)
        guard words.count == 5, let poolID = Int64(words[1]), let snapshotID = UInt64(words[3]) else { return nil }
        self.init(
            cloneID: words[0],
            poolID: poolID,
            namespace: words[4],
            imageID: words[2],
            snapshotID: snapshotID
        )
    }
}

extension IOContext {
    /// Looks up a snapshot of an image to clone it; the image is not opened, and may lie in the trash.
    ///
    /// Two round trips for an image with up to 64 snapshots.
    ///
    /// Implements the class calls `rbd.get_size`, `rbd.get_features`, `rbd.op_features_get`, and those of `snapshots`.
    ///
    /// - Parameters:
    ///   - snapshot: The snapshot's name.
    ///   - id: The image's id.
    /// - Returns: The snapshot; `nil` if there is no such image, or it has no snapshot of kind `user` of that name.
    /// - Throws: `RBDError`.
    public func cloneableSnapshot(_ snapshot: String, ofImageID id: String) async throws(RBDError) -> CloneableSnapshot?
    {
        var head = Encoder()
        head.append(UInt64.max - 1)  // CEPH_NOSNAP
        var headAndAccess = head
        headAndAccess.append(true)
        let calls = [
            ClassCall("rbd", "get_size", input: head.bytes),
            ClassCall("rbd", "get_features", input: headAndAccess.bytes),
            ClassCall("rbd", "op_features_get"),
        ]
        let header = ImageObject.header(ofID: id)
        async let facts = outcome { () async throws(RBDError) in try await classCalls(calls, on: header) }
        let found = try await snapshots(ofImageID: id)
        guard let answers = try await facts.get() else { return nil }
        guard let snapshot = found?.first(where: { $0.kind == .user && $0.name.isExactly(snapshot) })
        else { return nil }
        var (size, features, operations) = (Decoder(answers[0]), Decoder(answers[1]), Decoder(answers[2]))
        guard let order = size.number(UInt8.self), let bits = features.number(UInt64.self),
            let others = operations.number(UInt64.self)
        else { throw RBDError(call: "rbd.get_features", code: .ioError, subject: "\(label)/\(header)") }
        return CloneableSnapshot(
            context: self,
            imageID: id,
            snapshot: snapshot,
            features: ImageFeatures(rawValue: bits),
            operations: others,
            order: order
        )
    }

    /// Writes an image into a snapshot's list of clones, or removes it from there, on the header of the snapshot's image.
    ///
    /// Implements the class calls `rbd.child_attach` and `rbd.child_detach`. See: cls_rbd_types.h, `ChildImageSpec`.
    ///
    /// - Parameters:
    ///   - method: `child_attach` or `child_detach`.
    ///   - clones: The pool that the clone lies in.
    ///   - note: The clone and the snapshot, whose pool this is.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` if there is no such snapshot, or it was deleted, or has no such
    ///   clone; `.fileExists` if it has it already.
    package func tellParent(
        _ method: String,
        in clones: IOContext,
        _ note: ClonePlaceNote
    ) async throws(RADOSError) {
        var child = Encoder()
        child.append(clones.poolID)
        child.append(note.cloneID)
        child.append(clones.namespace)
        var input = Encoder()
        input.append(note.snapshotID)
        input.append(version: 2, compatible: 1, child)
        let header = ImageObject.header(ofID: note.imageID)
        try await execute(ClassCall("rbd", method, input: input.bytes), on: header, isOld: true)
    }
}
