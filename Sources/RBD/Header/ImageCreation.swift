internal import ExactText
public import RADOS
internal import SystemPackage

extension IOContext {
    /// Creates an image and its metadata by class calls, without librbd, if it is a plain image.
    ///
    /// `rbd_create4` copies Ceph's whole configuration, reads settings that it does not use, and writes one object
    /// after the other. This method takes the name first and then writes everything that belongs to the id at once:
    ///
    /// | class calls, each row at once | afterwards |
    /// | --- | --- |
    /// | `rbd.set_id` on `rbd_id.NAME`, which must be new | the name is taken and has no image yet |
    /// | `rbd.create` and `rbd.metadata_set` on a new `rbd_header.ID`; `rbd.dir_add_image`; `rbd.object_map_resize` | the image is complete |
    ///
    /// Last, the name is read again: see `removeHeaderless`. A kill leaves an id object with any part of the second
    /// row. A kill of librbd leaves a directory entry, a directory entry and an id object, or everything but the object
    /// map. The two cannot be told apart, and both are repaired in the same way.
    ///
    /// librbd creates images with stripes, journaling or a data pool. It also handles requests that it must refuse,
    /// such as an invalid size or the name of a format 1 image. And it creates all images of a pool that was not
    /// initialised for RBD (`rbd pool init`), or that has its own settings for new images (`rbd config pool`).
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - sizeBytes: Its size in bytes.
    ///   - options: Its layout; options that are not given come from the cluster's `rbd_default_…`.
    ///   - metadata: Its metadata.
    ///   - isPlainPlace: What `takesPlainImages(named:)` would say of the pool and the name; `nil` to ask it.
    ///   - named: Called when the name is taken.
    /// - Returns: The image's id; `nil` if nothing was done and librbd must create the image.
    /// - Throws: `RBDError` with `.fileExists` if there is an image of that name, complete or not; with
    ///   `.noSuchFileOrDirectory` for a namespace that was removed meanwhile. An image without a header is removed
    ///   again, unless Ceph did not answer; one with a header is left to be repaired.
    public func createPlainImage(
        _ name: String,
        sizeBytes: UInt64,
        options: ImageOptions,
        metadata: [String: String],
        isPlainPlace: Bool? = nil,
        named: () async -> Void = {}
    ) async throws(RBDError) -> String? {
        guard let layout = PlainLayout(sizeBytes: sizeBytes, options: options, defaults: cluster.option) else {
            return nil
        }
        let isPlain: Bool
        if let isPlainPlace { isPlain = isPlainPlace } else { isPlain = try await takesPlainImages(named: name) }
        guard isPlain else { return nil }
        let id = Self.newImageID()
        try await makeImage(name, id: id, layout: layout, metadata: metadata, named: named)
        return id
    }

    /// Creates an image that needs only its own objects.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: Its id, 14 hexadecimal digits; an existing image with this id is not changed.
    ///   - layout: Its size and features.
    ///   - metadata: Its metadata.
    ///   - named: Called when the name is taken.
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
        // Another process took this image for half-made and has repaired it.
        if parts.map?.isAlreadyThere == true, parts.header == nil { parts.map = nil }
        let failures = [parts.header, parts.listing, parts.map].compactMap(\.self)
        // An operation that Ceph has not answered may still be carried out.
        if let failure = failures.first(where: \.isWithoutAnswer) { throw failure }
        if let failure = parts.header {
            try? await takeBack(name, id, map: layout.features.contains(.objectMap) && parts.map == nil)
            throw failure
        }
        // Another process may remove a name without a header; it never removes a name with one.
        guard try await imageID(named: name) == id else {
            _ = try? await removeUnreachable(id, wasNamed: name)
            throw RBDError(call: "rbd.set_id", code: .fileExists, subject: "\(label)/\(name)")
        }
        // Another process that finds an image with a header completes it, so the image may already be in use.
        if let failure = failures.first { throw failure }
    }

    /// Whether the pool is initialised for RBD, has no settings of its own for new images, and has no format 1 image of
    /// that name: one round trip, two with a namespace.
    ///
    /// - Parameter name: The name that an image is to get.
    /// - Returns: Whether `createPlainImage` makes the image, if its layout is plain.
    /// - Throws: `RBDError`.
    public func takesPlainImages(named name: String) async throws(RBDError) -> Bool {
        async let isTaken = outcome { () async throws(RBDError) in try await holdsOldImage(named: name) }
        let isPlain = try await takesPlainImages()
        return try await !isTaken.get() && isPlain
    }

    /// Whether the pool has a format 1 image of that name; its header object is `NAME.rbd`.
    public func holdsOldImage(named name: String) async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            return try await sizeBytes(of: "\(name).rbd") != nil
        } catch {
            throw RBDError(error)
        }
    }

    /// Whether the pool is initialised for RBD and has no settings of its own for new images: one round trip, two with a
    /// namespace.
    public func takesPlainImages() async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            guard try await isPrepared() else { return false }
            guard !namespace.isEmpty else { return true }
            _ = try await read([Self.directoryIsReady], on: ImageObject.directory)
            return true
        } catch {
            // There is no `rbd_info`, or no such namespace: librbd reports what is wrong, or repairs it.
            guard error.isNotFound else { throw RBDError(error) }
            return false
        }
    }

    /// Whether the pool is initialised for RBD and has no settings for new images that the user may read.
    ///
    /// Both are in the default namespace, whatever the image's namespace is. A user with caps for one namespace may
    /// read the object but not make the class call: `profile rbd pool=P namespace=N` grants `r` on `rbd_info` and not
    /// `class-read`. librbd then creates images as if the pool had no settings, and so does this method.
    private func isPrepared() async throws(RADOSError) -> Bool {
        let poolWide = namespace.isEmpty ? self : try await cluster.openPool(pool, namespace: "")
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
        return decoder.map()?.allSatisfy { !$0.key.startsExactly(with: Self.poolDefaults) } ?? false
    }

    /// `rbd config pool set POOL rbd_default_…` writes these.
    private static var poolDefaults: String { "conf_rbd_default_" }

    private static var directoryIsReady: ClassCall {
        // See: cls_rbd_types.h, `DIRECTORY_STATE_READY`.
        ClassCall("rbd", "dir_state_assert", input: [0])
    }

    /// An id of the same length as librbd's.
    ///
    /// All of it is random; in librbd's ids only 32 bits differ between the images of a client.
    static func newImageID() -> String {
        let digits = String(UInt64.random(in: 0..<1 << 56), radix: 16)
        return String(repeating: "0", count: 14 - digits.count) + digits
    }

    func makeHeader(
        _ id: String,
        _ layout: PlainLayout,
        _ metadata: [String: String],
        keys: [String: [UInt8]] = [:]
    ) async -> RBDError? {
        var input = Encoder()
        input.append(layout.sizeBytes)
        input.append(layout.order)
        input.append(layout.features.rawValue)
        input.append("rbd_data.\(id)")
        input.append(Int64(-1))  // No data pool.
        let create = ClassCall("rbd", "create", input: input.bytes)
        return await failure { () async throws(RADOSError) in
            let object = ImageObject.header(ofID: id)
            if metadata.isEmpty { return try await execute(create, on: object, isNew: true, keys: keys) }
            try await execute(create, .settingMetadata(metadata), on: object, isNew: true, keys: keys)
        }
    }

    func list(_ name: String, _ id: String) async -> RBDError? {
        let failure = await failure { () async throws(RADOSError) in
            let listing = ClassCall.listing(name, id: id)
            if namespace.isEmpty { return try await execute(listing, on: ImageObject.directory) }
            try await execute(Self.directoryIsReady, listing, on: ImageObject.directory)
        }
        guard let failure, failure.isAlreadyThere else { return failure }
        // Another process took this image for half-made and has listed it.
        return (try? await listedID(of: name)) == id ? nil : failure
    }

    /// Like the header it must not exist yet: an existing one belongs to another image with this id.
    func makeObjectMap(_ id: String, _ layout: PlainLayout) async -> RBDError? {
        guard layout.features.contains(.objectMap) else { return nil }
        var input = Encoder()
        input.append(layout.objectCount)
        input.append(UInt8(0))  // OBJECT_NONEXISTENT
        let resize = ClassCall("rbd", "object_map_resize", input: input.bytes)
        return await failure { () async throws(RADOSError) in
            try await execute(resize, on: ImageObject.objectMap(ofID: id), isNew: true)
        }
    }

    /// The name is removed last: while it exists, a repair finds the other objects.
    private func takeBack(_ name: String, _ id: String, map: Bool) async throws(RADOSError) {
        try await unlistImage(name, id: id)
        if map { try await remove(ImageObject.objectMap(ofID: id)) }
        try await unname(name, id: id)
    }

    func failure(_ body: () async throws(RADOSError) -> Void) async -> RBDError? {
        do throws(RADOSError) {
            try await body()
            return nil
        } catch {
            return RBDError(error)
        }
    }
}
