public import RADOS

/// An index of names in a pool: an object that has, for each name, the id of an image.
///
/// The names are kept as librbd keeps the metadata of an image, so that the same class calls read and write them, and the
/// caps of an RBD user suffice. `rados listomapvals` shows them.
public struct NameIndex: Sendable, Hashable {
    /// The object's name.
    public let object: String

    /// Names an index.
    public init(_ object: String) { self.object = object }
}

extension IOContext {
    /// The image id that an index has for a name; `nil` for none.
    ///
    /// Implements the class call `rbd.metadata_get`.
    public func imageID(of name: String, in index: NameIndex) async throws(RBDError) -> String? {
        var input = Encoder()
        input.append(name)
        let call = ClassCall("rbd", "metadata_get", input: input.bytes)
        guard let answers = try await classCalls([call], on: index.object) else { return nil }
        var decoder = Decoder(answers[0])
        return decoder.string()
    }

    /// A page of an index in the order of the names' bytes.
    ///
    /// Implements the class call `rbd.metadata_list`.
    ///
    /// - Parameters:
    ///   - name: The page starts after this name; empty for the first page.
    ///   - index: The index.
    ///   - limit: The longest page wanted, 1 to 1024.
    /// - Returns: Names and ids; empty after the last one, and where there is no such index.
    /// - Throws: `RBDError`.
    public func names(
        after name: String,
        in index: NameIndex,
        limit: Int
    ) async throws(RBDError) -> [(name: String, id: String)] {
        var input = Encoder()
        input.append(name)
        input.append(UInt64(limit))
        let call = ClassCall("rbd", "metadata_list", input: input.bytes)
        guard let answers = try await classCalls([call], on: index.object) else { return [] }
        var decoder = Decoder(answers[0])
        return (decoder.map() ?? []).map { ($0.key, $0.value) }
    }

    /// Makes an index; succeeds if there is one.
    public func makeIndex(_ index: NameIndex) async throws(RBDError) {
        do throws(RADOSError) {
            try await execute(on: index.object, isNew: true)
        } catch {
            guard error.isAlreadyThere else { throw RBDError(error) }
        }
    }

    /// Sets or removes a name of an index if it still leads to a certain image, atomically.
    ///
    /// Blocks the calling thread. Implements the class calls `rbd.metadata_set` and `rbd.metadata_remove`.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - present: The id that it must have; `nil` for a name that must not be there.
    ///   - id: The id that it gets; `nil` to remove it.
    ///   - index: The index.
    /// - Returns: Whether it had that id.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` when there is no such index.
    public func replaceName(
        _ name: String,
        leadingTo present: String?,
        with id: String?,
        in index: NameIndex
    ) throws(RBDError) -> Bool {
        do throws(RADOSError) {
            return try execute(
                id.map { .settingMetadata([name: $0]) } ?? .removingMetadata(name),
                on: index.object,
                // See: cls_rbd.cc, `RBD_METADATA_KEY_PREFIX`; the value is stored there unchanged.
                ifKey: "metadata_\(name)",
                has: Array((present ?? "").utf8)
            )
        } catch {
            throw RBDError(error)
        }
    }
}
