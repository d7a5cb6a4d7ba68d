public import RADOS
internal import SystemPackage

extension IOContext {
    /// A page of the pool's images in the order of their names, as name and id.
    ///
    /// Implements the class call `rbd.dir_list`. Similar to: rbd ls.
    ///
    /// - Parameters:
    ///   - name: The page starts after this name; empty for the first page.
    ///   - limit: The longest page wanted, 1 to 1024.
    /// - Returns: The images; empty after the last one, and in a pool that never had any.
    /// - Throws: `RBDError` for anything but a missing directory.
    public func images(after name: String, limit: Int) async throws(RBDError) -> [(name: String, id: String)] {
        var input = Encoder()
        input.append(name)
        input.append(UInt64(limit))
        let call = ClassCall("rbd", "dir_list", input: input.bytes)
        guard let answers = try await classCalls([call], on: ImageObject.directory) else { return [] }
        var decoder = Decoder(answers[0])
        return (decoder.map() ?? []).map { ($0.key, $0.value) }
    }
}

extension IOContext {
    /// Whether the pool's directory lists an image of that name, even if its other objects are missing.
    ///
    /// Implements the class call `rbd.dir_get_id`.
    public func directoryHolds(_ name: String) async throws(RBDError) -> Bool {
        try await listedID(of: name) != nil
    }

    /// The id that the pool's directory has for a name.
    ///
    /// Implements the class call `rbd.dir_get_id`.
    public func listedID(of name: String) async throws(RBDError) -> String? {
        var input = Encoder()
        input.append(name)
        let call = ClassCall("rbd", "dir_get_id", input: input.bytes)
        guard let answers = try await classCalls([call], on: ImageObject.directory) else { return nil }
        var decoder = Decoder(answers[0])
        return decoder.string()
    }

    /// Whether the pool's directory lists no image of a name, and none of format 1 at all: one round trip.
    ///
    /// It lists images of format 1 in its data, which is empty in a pool that never had one. What another client is writing
    /// there may be missed: it is for a caller whose own write fails then. A user that may make class calls there and not
    /// read is told `false`.
    public func directoryLacks(_ name: String) async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            let found = try await momentaryEntry(Self.nameKey + name, of: ImageObject.directory)
            return found.map { $0.sizeBytes == 0 && $0.value == nil } ?? true
        } catch {
            guard error.code == .notPermitted else { throw RBDError(error) }
            return false
        }
    }

    /// What the directory's omap key of a name begins with.
    ///
    /// See: cls_rbd.cc, `dir_key_for_name`.
    private static var nameKey: String { "name_" }

    /// The name that the pool's directory has for an id.
    ///
    /// Implements the class call `rbd.dir_get_name`.
    func listedName(of id: String) async throws(RADOSError) -> String? {
        var input = Encoder()
        input.append(id)
        do throws(RADOSError) {
            let answers = try await read(
                [ClassCall("rbd", "dir_get_name", input: input.bytes)],
                on: ImageObject.directory
            )
            var decoder = Decoder(answers[0])
            return decoder.string()
        } catch {
            guard error.isNotFound else { throw error }
            return nil
        }
    }

    /// Lists an image that has a name, but not in the pool's directory.
    ///
    /// Implements the class call `rbd.dir_add_image`.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: Its id.
    /// - Throws: `RBDError` with `.fileExists` or `.badFileDescriptor` when the name or the id is listed.
    public func listImage(_ name: String, id: String) async throws(RBDError) {
        do throws(RADOSError) {
            try await execute(.listing(name, id: id), on: ImageObject.directory)
        } catch {
            throw RBDError(error)
        }
    }

    /// Removes an image from the pool's directory; succeeds if it is not listed, or is listed with another id.
    ///
    /// Implements the class call `rbd.dir_remove_image`.
    ///
    /// - Returns: Whether it was listed by this name and with this id.
    @discardableResult
    package func unlistImage(_ name: String, id: String) async throws(RADOSError) -> Bool {
        var names = Encoder()
        names.append(name)
        names.append(id)
        do throws(RADOSError) {
            try await execute(ClassCall("rbd", "dir_remove_image", input: names.bytes), on: ImageObject.directory)
            return true
        } catch {
            guard error.isNotFound || error.code == .staleNFSFileHandle else { throw error }
            return false
        }
    }
}

extension ClassCall {
    /// `rbd.dir_add_image`.
    static func listing(_ name: String, id: String) -> ClassCall {
        var names = Encoder()
        names.append(name)
        names.append(id)
        return ClassCall("rbd", "dir_add_image", input: names.bytes)
    }
}
