public import RADOS
internal import SystemPackage

extension IOContext {
    /// Makes an image and its metadata without librbd, if it is a plain one.
    ///
    /// `rbd_create4` copies the whole configuration of Ceph, reads what it then does not need, and writes one object after
    /// the other. Here the name is taken first, and all that hangs on the id is written at once:
    ///
    /// | class calls, each row at once | afterwards |
    /// | --- | --- |
    /// | `rbd.set_id` on `rbd_id.NAME`, which must be new | the name is taken and leads nowhere |
    /// | `rbd.create` and `rbd.metadata_set` on a new `rbd_header.ID`; `rbd.dir_add_image`; `rbd.object_map_resize` | it is whole |
    ///
    /// Last the name is read again: see `removeHeaderless`. A kill leaves an id with any part of the second row; a kill of
    /// librbd leaves a directory entry, that and an id, or all but the object map. Who finds them cannot tell, and mends
    /// them alike.
    ///
    /// librbd makes what has stripes, journaling or a data pool, and what it must refuse: a size, or a name that an image of
    /// format 1 has. It makes all images of a pool that nobody has prepared for RBD (`rbd pool init`), or whose own
    /// settings (`rbd config pool`) say how images are made.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - sizeBytes: Its size in bytes.
    ///   - options: Its layout; what is not given is the cluster's `rbd_default_…`.
    ///   - metadata: Its metadata.
    ///   - named: Told when the name is taken.
    /// - Returns: The image's id; nothing when nothing was done, and librbd must.
    /// - Throws: `RBDError` with `.fileExists` when there is such an image, or the half of one; with
    ///   `.noSuchFileOrDirectory` for a namespace that went meanwhile. What has no header is taken back, unless Ceph did
    ///   not answer; what has one is left to be mended.
    public func createPlainImage(
        _ name: String,
        sizeBytes: UInt64,
        options: ImageOptions,
        metadata: [String: String],
        named: () async -> Void = {}
    ) async throws(RBDError) -> String? {
        guard let layout = PlainLayout(sizeBytes: sizeBytes, options: options, defaults: cluster.option),
            try await takesPlainImages(named: name)
        else { return nil }
        let id = Self.newImageID()
        try await makeImage(name, id: id, layout: layout, metadata: metadata, named: named)
        return id
    }

    /// Makes an image that needs nothing but its objects.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: Its id, 14 hexadecimal digits; an image that has it stays as it is.
    ///   - layout: Its size and features.
    ///   - metadata: Its metadata.
    ///   - named: Told when the name is taken.
    /// - Throws: As `createPlainImage`.
    package func makeImage(
        _ name: String,
        id: String,
        layout: PlainLayout,
        metadata: [String: String],
        named: () async -> Void = {}
    ) async throws(RBDError) {
        do throws(RADOSError) {
            try await self.name(id, name)
        } catch {
            throw RBDError(error)
        }
        await named()
        async let header = makeHeader(id, layout, metadata)
        async let listing = list(name, id)
        async let map = makeObjectMap(id, layout)
        var parts = await (header: header, listing: listing, map: map)
        // Another process took this image for half-made, and has mended it.
        if parts.map?.isAlreadyThere == true, parts.header == nil { parts.map = nil }
        let failures = [parts.header, parts.listing, parts.map].compactMap(\.self)
        // What Ceph has not answered may yet happen.
        if let failure = failures.first(where: \.isWithoutAnswer) { throw failure }
        if let failure = parts.header {
            try? await takeBack(name, id, map: layout.features.contains(.objectMap) && parts.map == nil)
            throw failure
        }
        // A name that leads to no header is taken away after a while; one that leads to a header is not.
        guard try await imageID(named: name) == id else {
            try? await removeUnreachable(id, wasNamed: name)
            throw RBDError(call: "rbd.set_id", code: .fileExists, subject: "\(label)/\(name)")
        }
        // Whoever finds an image with a header brings it to its end, and it may be in use by now.
        if let failure = failures.first { throw failure }
    }

    /// Whether librbd has seen to the pool, the pool has no settings of its own for new images, and no image of format 1
    /// has the name.
    private func takesPlainImages(named name: String) async throws(RBDError) -> Bool {
        async let isTaken = holdsOldImage(named: name)
        let isPlain = try await takesPlainImages()
        return try await !isTaken.get() && isPlain
    }

    /// Whether there is an image of format 1 of that name, whose header is `NAME.rbd`.
    private func holdsOldImage(named name: String) async -> Result<Bool, RBDError> {
        do throws(RADOSError) {
            return .success(try await sizeBytes(of: "\(name).rbd") != nil)
        } catch {
            return .failure(RBDError(error))
        }
    }

    private func takesPlainImages() async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            guard try await isPrepared() else { return false }
            guard !namespace.isEmpty else { return true }
            _ = try await read([Self.directoryIsReady], on: ImageObject.directory)
            return true
        } catch {
            // No `rbd_info`, or no such namespace: librbd says what is wrong, or mends it.
            guard error.isNotFound else { throw RBDError(error) }
            return false
        }
    }

    /// Whether librbd has seen to the pool, and the user may read no settings of the pool's that say otherwise.
    ///
    /// Both lie in the default namespace, whatever ours is. Who has caps for one namespace alone may read the object, but
    /// not make the class call: `profile rbd pool=P namespace=N` has `rbd_info` with `r` and without `class-read`. librbd
    /// then makes images as if the pool had no settings, and so do we.
    private func isPrepared() async throws(RADOSError) -> Bool {
        let poolWide = try namespace.isEmpty ? self : cluster.ioContext(pool: pool, namespace: "")
        // What `rbd pool init` writes there.
        let mark = Array("overwrite validated".utf8)
        var input = Encoder()
        input.append(Self.poolDefaults)
        input.append(UInt64(1))
        let list = ClassCall("rbd", "metadata_list", input: input.bytes)
        let answers: [[UInt8]]?
        do throws(RADOSError) {
            answers = try await poolWide.read([list], on: ImageObject.poolInfo, ifItBeginsWith: mark)
        } catch {
            guard error.code == .notPermitted else { throw error }
            return try await poolWide.read([], on: ImageObject.poolInfo, ifItBeginsWith: mark) != nil
        }
        guard let answers else { return false }
        var decoder = Decoder(answers[0])
        return decoder.map()?.allSatisfy { !$0.key.hasPrefix(Self.poolDefaults) } ?? false
    }

    /// `rbd config pool set POOL rbd_default_…` writes these.
    private static var poolDefaults: String { "conf_rbd_default_" }

    private static var directoryIsReady: ClassCall {
        // See: cls_rbd_types.h, `DIRECTORY_STATE_READY`.
        ClassCall("rbd", "dir_state_assert", input: [0])
    }

    /// An id of the length of librbd's; all of it is random, where librbd's has 32 bits that differ from a client's others.
    private static func newImageID() -> String {
        let digits = String(UInt64.random(in: 0..<1 << 56), radix: 16)
        return String(repeating: "0", count: 14 - digits.count) + digits
    }

    private func makeHeader(_ id: String, _ layout: PlainLayout, _ metadata: [String: String]) async -> RBDError? {
        var input = Encoder()
        input.append(layout.sizeBytes)
        input.append(layout.order)
        input.append(layout.features.rawValue)
        input.append("rbd_data.\(id)")
        input.append(Int64(-1))  // No data pool.
        let create = ClassCall("rbd", "create", input: input.bytes)
        return await failure { () async throws(RADOSError) in
            let object = ImageObject.header(ofID: id)
            if metadata.isEmpty { return try await execute(create, on: object, isNew: true) }
            try await execute(create, .settingMetadata(metadata), on: object, isNew: true)
        }
    }

    private func list(_ name: String, _ id: String) async -> RBDError? {
        let failure = await failure { () async throws(RADOSError) in
            let listing = ClassCall.listing(name, id: id)
            if namespace.isEmpty { return try await execute(listing, on: ImageObject.directory) }
            try await execute(Self.directoryIsReady, listing, on: ImageObject.directory)
        }
        guard let failure, failure.isAlreadyThere else { return failure }
        // Another process took this image for half-made, and has listed it.
        return (try? await listedID(of: name)) == id ? nil : failure
    }

    /// Like the header it must be new, for else it is that of another image with this id.
    private func makeObjectMap(_ id: String, _ layout: PlainLayout) async -> RBDError? {
        guard layout.features.contains(.objectMap) else { return nil }
        var input = Encoder()
        input.append(layout.objectCount)
        input.append(UInt8(0))  // OBJECT_NONEXISTENT
        let resize = ClassCall("rbd", "object_map_resize", input: input.bytes)
        return await failure { () async throws(RADOSError) in
            try await execute(resize, on: ImageObject.objectMap(ofID: id), isNew: true)
        }
    }

    /// The name goes last: as long as it leads to the id, a mend finds the rest.
    private func takeBack(_ name: String, _ id: String, map: Bool) async throws(RADOSError) {
        try await unlistImage(name, id: id)
        if map { try await remove(ImageObject.objectMap(ofID: id)) }
        try await unname(name, id: id)
    }

    private func failure(_ body: () async throws(RADOSError) -> Void) async -> RBDError? {
        do throws(RADOSError) {
            try await body()
            return nil
        } catch {
            return RBDError(error)
        }
    }
}
