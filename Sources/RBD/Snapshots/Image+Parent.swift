internal import CRBD
public import RADOS
internal import SystemPackage

/// The snapshot that an image is a clone of.
public struct ParentImage: Sendable, Hashable {
    /// The name of the pool it lies in.
    public let pool: String
    /// The RADOS namespace it is in; empty for the default one.
    public let namespace: String
    /// The image's name.
    public let name: String
    /// The image's id.
    public let id: String
    /// Whether the image lies in the trash.
    public let isInTrash: Bool
    /// The snapshot's name; one in the trash has a random one.
    public let snapshot: String
    /// The snapshot's number.
    public let snapshotID: UInt64
    /// Whether the snapshot was deleted, and is kept for its clones alone.
    public let isSnapshotInTrash: Bool
}

/// All of these block; they belong on a `BlockingPool`.
extension Image {
    /// The snapshot that this image is a clone of; `nil` if it is none, or was flattened.
    ///
    /// Implements `rbd_get_parent`.
    public func parent() throws(RBDError) -> ParentImage? {
        var image = rbd_linked_image_spec_t()
        var snapshot = rbd_snap_spec_t()
        let result = withRawImage { rbd_get_parent($0, &image, &snapshot) }
        guard result != -Errno.noSuchFileOrDirectory.rawValue else { return nil }
        try check(result, "rbd_get_parent", spec)
        defer {
            rbd_linked_image_spec_cleanup(&image)
            rbd_snap_spec_cleanup(&snapshot)
        }
        return ParentImage(
            pool: String(cString: image.pool_name),
            namespace: String(cString: image.pool_namespace),
            name: String(cString: image.image_name),
            id: String(cString: image.image_id),
            isInTrash: image.trash,
            snapshot: String(cString: snapshot.name),
            snapshotID: snapshot.id,
            isSnapshotInTrash: snapshot.namespace_type == RBD_SNAP_NAMESPACE_TYPE_TRASH
        )
    }

    /// Copies what a clone still reads from its parent, so that it needs the parent no more.
    ///
    /// A flatten that was stopped or killed goes on where objects are missing when it is called again. It is done by whoever
    /// has the image's exclusive lock.
    ///
    /// Implements `rbd_flatten_with_progress`. Similar to: rbd flatten.
    ///
    /// - Parameter progress: Called with the objects done and the total, from a thread of librbd that has the image locked: it
    ///   must call nothing of the image. False stops it after the objects that are on their way, if it is this process that
    ///   does it.
    /// - Throws: `RBDError` with `.canceled` if it was stopped; `.invalidArgument` if the image has no parent.
    public func flatten(progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Bool) throws(RBDError) {
        let result = withRawImage { image in
            withProgress(progress) { rbd_flatten_with_progress(image, reportProgress, $0) }
        }
        try check(result, "rbd_flatten_with_progress", spec)
    }
}

extension IOContext {
    /// Makes an image of format 2 that reads from a snapshot what nobody wrote to it.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rbd_clone3` with `RBD_IMAGE_OPTION_CLONE_FORMAT` 2: the snapshot needs no protection, and no other version
    /// of it is tried. Similar to: rbd clone --rbd-default-clone-format 2. librbd also copies all metadata of the parent's
    /// image to the clone, before it returns.
    ///
    /// - Parameters:
    ///   - snapshot: The name of a snapshot of kind `user`.
    ///   - parent: The name of its image.
    ///   - parentContext: The pool that has that image; it may be another than this one, also another namespace.
    ///   - name: The new image's name.
    ///   - options: Its layout; without `objectSizeBytes` and `features` it has those of its parent, and with the former no
    ///     stripes, unless those are given too. Its size is that of the snapshot.
    /// - Throws: `RBDError` with `.fileExists` if there is an image of that name, complete or not;
    ///   `.noSuchFileOrDirectory` if there is no such image or snapshot; `.noFunction` if parent or clone lack the feature
    ///   layering. A killed call leaves an image without a parent, or one with it that the parent does not know of.
    public func cloneImage(
        _ snapshot: String,
        of parent: String,
        in parentContext: IOContext,
        to name: String,
        options: ImageOptions
    ) throws(RBDError) {
        let subject = "\(label)/\(name)"
        let format = CInt(RBD_IMAGE_OPTION_CLONE_FORMAT)
        try withRawOptions(options.inheritingNoStripes, [(format, 2)], subject) { (raw) throws(RBDError) in
            let result = withRawContext { child in
                parentContext.withRawContext { rbd_clone3($0, parent, snapshot, child, name, raw) }
            }
            try check(result, "rbd_clone3", subject)
        }
    }
}
