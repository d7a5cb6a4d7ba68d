internal import Blocking
internal import ExactText
public import RADOS
internal import SystemPackage

extension IOContext {
    /// Clones a snapshot by class calls, without librbd and without opening its image, if the clone is a plain image.
    ///
    /// Four round trips, and no number from the monitors:
    ///
    /// | class calls, each row at once | afterwards |
    /// | --- | --- |
    /// | `rbd.set_id` on `rbd_id.NAME`, which must be new, with the snapshot beside it | the name is taken |
    /// | `rbd.child_attach` on the parent's header; `rbd.dir_add_image`; `rbd.object_map_resize` | it is bound |
    /// | `rbd.create` with the parent, and `rbd.metadata_set`, on a new `rbd_header.ID` | it is complete |
    ///
    /// Whether the pool is prepared is asked together with the first, which is taken back where it is not. Last, the name is read again: see `removeHeaderless`. The header comes last, so what has one is a whole clone, and its
    /// parent knows of it. A kill leaves an id object without a header, and beside the name the snapshot that may list it:
    /// `removeHeaderless` also removes it there.
    ///
    /// `rbd_clone3` opens the parent and the clone, tells the parent last, and copies all metadata of the parent.
    ///
    /// librbd makes all other clones: see `createPlainImage`; of images with features that this method does not know, or
    /// that are being moved or mirrored; with the stripes of their parent.
    ///
    /// - Parameters:
    ///   - source: The snapshot.
    ///   - name: The clone's name.
    ///   - sizeBytes: The clone's size, not below the snapshot's; `nil` for that.
    ///   - options: Its layout; without features and object size it has those of its parent.
    ///   - metadata: Its metadata; none of the parent's is copied.
    ///   - named: Called when the name is taken.
    /// - Returns: The clone's id; `nil` if nothing is left of what was done, and librbd must make it.
    /// - Throws: `RBDError` with `.fileExists` if there is an image of that name, complete or not;
    ///   `.noSuchFileOrDirectory` if the snapshot was deleted meanwhile; and as `createPlainImage`.
    public func createPlainClone(
        of source: CloneableSnapshot,
        _ name: String,
        sizeBytes: UInt64? = nil,
        options: ImageOptions,
        metadata: [String: String],
        named: () async -> Void = {}
    ) async throws(RBDError) -> String? {
        var options = options
        options.features = options.features ?? source.features.subtracting([.operations, .fastDiff])
        options.objectSizeBytes = options.objectSizeBytes ?? 1 << UInt64(source.order)
        let size = sizeBytes ?? source.snapshot.sizeBytes
        guard source.isPlain, size >= source.snapshot.sizeBytes, source.snapshot.sizeBytes > 0,
            options.features?.contains(.layering) == true,
            let layout = PlainLayout(sizeBytes: size, options: options, defaults: cluster.option)
        else { return nil }
        let id = Self.newImageID()
        // Both at once: that a pool is not prepared is rare, and a name without a header is made good by anyone.
        async let readiness = outcome { () async throws(RBDError) in try await takesPlainImages(named: name) }
        do throws(RADOSError) {
            try await self.name(id, name, source.place(forCloneID: id).attribute)
        } catch {
            _ = await readiness
            throw RBDError(error)
        }
        guard case .success(true) = await readiness else {
            try await outcome(ofUnnaming: name, id: id).get()
            _ = try await readiness.get()
            return nil
        }
        await named()
        try await makeClone(of: source, name, id: id, layout: layout, metadata: metadata)
        return id
    }

    /// Makes a clone whose name is taken.
    private func makeClone(
        of source: CloneableSnapshot,
        _ name: String,
        id: String,
        layout: PlainLayout,
        metadata: [String: String]
    ) async throws(RBDError) {
        async let tie = attach(id, to: source)
        async let listing = list(name, id)
        async let map = makeObjectMap(id, layout)
        let parts = await (tie: tie, listing: listing, map: map)
        let failures = [parts.tie, parts.listing, parts.map].compactMap(\.self)
        // An operation that Ceph has not answered may still be carried out.
        if let failure = failures.first(where: \.isWithoutAnswer) { throw failure }
        if let failure = failures.first {
            try? await takeBack(name, id, from: parts.tie == nil ? source : nil, map: parts.map == nil)
            throw failure
        }
        if let failure = await makeHeader(id, layout, metadata, keys: source.keys(of: layout)) {
            if !failure.isWithoutAnswer { try? await takeBack(name, id, from: source, map: true) }
            throw failure
        }
        // Another process may remove a name without a header; it never removes a name with one.
        guard try await imageID(named: name) == id else {
            // One that was moved meanwhile, or is in the trash, still needs its parent.
            if (try? await removeUnreachable(id, wasNamed: name)) == true {
                try? await detach(source.place(forCloneID: id), in: source.context)
            }
            throw RBDError(call: "rbd.set_id", code: .fileExists, subject: "\(label)/\(name)")
        }
    }

    private func attach(_ id: String, to source: CloneableSnapshot) async -> RBDError? {
        await failure { () async throws(RADOSError) in
            try await source.context.tellParent("child_attach", in: self, source.place(forCloneID: id))
        }
    }

    /// The name is removed last: while it exists, a repair finds the other objects.
    ///
    /// The snapshot is one that lists the clone. It is not looked up beside the name, which a repair may have removed before
    /// the snapshot listed the clone; and who may not write to the snapshot's image has nothing to remove there.
    private func takeBack(
        _ name: String,
        _ id: String,
        from source: CloneableSnapshot?,
        map: Bool
    ) async throws(RBDError) {
        do throws(RADOSError) {
            if let source { try await detach(source.place(forCloneID: id), in: source.context) }
            try await unlistImage(name, id: id)
            if map { try await remove(ImageObject.objectMap(ofID: id)) }
            try await unname(name, id: id)
        } catch {
            throw RBDError(error)
        }
    }

    private func outcome(ofUnnaming name: String, id: String) async -> Result<Void, RBDError> {
        await outcome { () async throws(RBDError) in
            do throws(RADOSError) {
                try await unname(name, id: id)
            } catch {
                throw RBDError(error)
            }
        }
    }

    /// Removes a clone that has no header from the list of the snapshot that is written beside its name.
    ///
    /// Nothing is done for a name without such a snapshot, and for one that has another id by now.
    ///
    /// - Parameters:
    ///   - name: The clone's name.
    ///   - id: The id that it leads to.
    /// - Throws: `RBDError`; the same call again completes what was begun.
    func forgetClone(_ name: String, id: String) async throws(RBDError) {
        do throws(RADOSError) {
            let text = try await attribute(ClonePlaceNote.attributeName, of: ImageObject.id(ofName: name))
            guard let note = text.flatMap(ClonePlaceNote.init(parsing:)), note.cloneID.isExactly(id) else { return }
            let parents = try await cluster.openPool(
                try await cluster.nameOfPool(note.poolID),
                namespace: note.namespace
            )
            try await detach(note, in: parents)
        } catch {
            // Without the name, the pool or the parent there is no list.
            guard error.isNotFound else { throw RBDError(error) }
        }
    }

    /// Removes a clone from a snapshot's list, and the snapshot if it was deleted and this was its last clone.
    func detach(_ note: ClonePlaceNote, in parents: IOContext) async throws(RADOSError) {
        do throws(RADOSError) {
            try await parents.tellParent("child_detach", in: self, note)
        } catch {
            guard error.isNotFound else { throw error }
        }
        let left: [ImageSnapshot]?
        do throws(RBDError) {
            left = try await parents.snapshots(ofImageID: note.imageID)
        } catch {
            throw RADOSError(call: error.call, code: error.code, subject: error.subject)
        }
        guard let left = left?.first(where: { $0.id == note.snapshotID }), left.kind == .trash, left.cloneCount == 0
        else {
            return
        }
        // It is rare, so the thread is made for it.
        let thread = BlockingPool(threads: 1)
        do throws(RBDError) {
            try await thread.run { () throws(RBDError) in
                let image = try Image.open(id: note.imageID, in: parents, access: .readWrite)
                try image.removeSnapshot(id: note.snapshotID)
            }
        } catch {
            throw RADOSError(call: error.call, code: error.code, subject: error.subject)
        }
    }
}

extension CloneableSnapshot {
    /// The omap keys by which a new header is that of a clone.
    ///
    /// `rbd.create` refuses the feature, and `rbd.parent_attach` does not see what was written in the same operation; so
    /// they are written as those calls of the releases 16 to 20 do. See: cls_rbd.h, `cls_rbd_parent`, and `set_op_features`
    /// of cls_rbd.cc.
    fileprivate func keys(of layout: PlainLayout) -> [String: [UInt8]] {
        var features = Encoder()
        features.append(layout.features.union(.operations).rawValue)
        var operations = Encoder()
        operations.append(UInt64(2))  // RBD_OPERATION_FEATURE_CLONE_CHILD
        var spec = Encoder()
        spec.append(context.poolID)
        spec.append(context.namespace)
        spec.append(imageID)
        spec.append(snapshot.id)
        spec.append(true)  // The image itself has an overlap, not only its snapshots.
        spec.append(min(snapshot.sizeBytes, layout.sizeBytes))
        var parent = Encoder()
        parent.append(version: 2, compatible: 2, spec)
        return ["features": features.bytes, "op_features": operations.bytes, "parent": parent.bytes]
    }
}
