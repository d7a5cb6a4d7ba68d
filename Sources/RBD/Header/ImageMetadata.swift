internal import ExactText
public import RADOS

extension IOContext {
    /// Sets metadata keys of an image by its id, all in one write and without opening it.
    ///
    /// `rbd image-meta list` shows them. Implements the class call `rbd.metadata_set`.
    ///
    /// - Parameters:
    ///   - metadata: Keys and values; other keys of the image stay.
    ///   - id: The image's id.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` when the image's header is missing.
    public func setMetadata(_ metadata: [String: String], ofImageID id: String) async throws(RBDError) {
        do throws(RADOSError) {
            try await execute(.settingMetadata(metadata), on: ImageObject.header(ofID: id))
        } catch {
            throw RBDError(error)
        }
    }

    /// Removes a metadata key of an image by its id; succeeds if the key or the image does not exist.
    ///
    /// Implements the class call `rbd.metadata_remove`.
    public func removeMetadata(_ key: String, ofImageID id: String) async throws(RBDError) {
        do throws(RADOSError) {
            try await execute(.removingMetadata(key), on: ImageObject.header(ofID: id), isOld: true)
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
        }
    }

    /// The metadata of an image by its id, at most 64 keys of it, or `nil` if its header is missing.
    ///
    /// Implements the class call `rbd.metadata_list`.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - prefix: What the keys begin with; other keys are not read, however many there are.
    /// - Returns: Keys and values; `nil` if the image's header is missing.
    /// - Throws: `RBDError` for anything but a missing header.
    public func metadata(ofImageID id: String, prefix: String = "") async throws(RBDError) -> [String: String]? {
        guard let answers = try await classCalls([.listingMetadata(after: prefix)], on: ImageObject.header(ofID: id))
        else { return nil }
        return ClassCall.metadata(in: answers[0]).filter { $0.key.startsExactly(with: prefix) }
    }

    /// Removes metadata keys of an image and sets others, all in one write.
    ///
    /// Implements the class calls `rbd.metadata_remove` and `rbd.metadata_set`.
    ///
    /// - Parameters:
    ///   - removed: Keys that are to go; one that is not there is no error.
    ///   - metadata: Keys and values that are to be there.
    ///   - id: The image's id.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` when the image's header is missing.
    public func changeMetadata(
        removing removed: [String],
        setting metadata: [String: String],
        ofImageID id: String
    ) async throws(RBDError) {
        do throws(RADOSError) {
            try await execute(
                all: removed.map { .removingMetadata($0) } + [.settingMetadata(metadata)],
                on: ImageObject.header(ofID: id),
                isOld: true
            )
        } catch {
            throw RBDError(error)
        }
    }

    /// All metadata of an image whose keys begin with a text, page by page; `nil` if its header is missing.
    ///
    /// Implements the class call `rbd.metadata_list`.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - prefix: What the keys begin with.
    /// - Returns: Keys and values, however many there are.
    /// - Throws: `RBDError` for anything but a missing header.
    public func allMetadata(ofImageID id: String, prefix: String) async throws(RBDError) -> [String: String]? {
        try await allMetadata(of: ImageObject.header(ofID: id), prefix: prefix)
    }

    /// The same, of whatever object.
    func allMetadata(of object: String, prefix: String) async throws(RBDError) -> [String: String]? {
        var all: [String: String] = [:]
        var last = prefix
        while true {
            let call = ClassCall.listingMetadata(after: last)
            guard let answers = try await classCalls([call], on: object) else { return nil }
            let page = ClassCall.metadata(in: answers[0])
            let ours = page.filter { $0.key.startsExactly(with: prefix) }
            all.merge(ours) { $1 }
            guard page.count >= 64, ours.count == page.count, let end = page.keys.sortedExactly().last else {
                return all
            }
            last = end
        }
    }

    /// The metadata of an image by its id, for callers that run outside of a task.
    ///
    /// Blocks the calling thread. Implements the class call `rbd.metadata_list`.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - key: Where to begin: the first 64 keys after this one, in the order of their bytes.
    /// - Returns: The metadata, or `nil` if the image's header is missing.
    /// - Throws: `RBDError`.
    public func metadata(ofImageID id: String, after key: String) throws(RBDError) -> [String: String]? {
        do throws(RADOSError) {
            return ClassCall.metadata(in: try call(.listingMetadata(after: key), on: ImageObject.header(ofID: id)))
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
    }

    /// Sets or removes one metadata key of an image if it still has a certain value, atomically.
    ///
    /// Blocks the calling thread. Implements the class calls `rbd.metadata_set` and `rbd.metadata_remove`.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - present: The value that it must have; `nil` for a key that must not exist.
    ///   - value: What it gets; `nil` to remove it.
    ///   - id: The image's id.
    /// - Returns: Whether it had that value.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` when the image's header is missing.
    public func replaceMetadata(
        _ key: String,
        _ present: String?,
        with value: String?,
        ofImageID id: String
    ) throws(RBDError) -> Bool {
        do throws(RADOSError) {
            return try execute(
                value.map { .settingMetadata([key: $0]) } ?? .removingMetadata(key),
                on: ImageObject.header(ofID: id),
                // See: cls_rbd.cc, `RBD_METADATA_KEY_PREFIX`; the value is stored there unchanged.
                ifKey: "metadata_\(key)",
                has: Array((present ?? "").utf8)
            )
        } catch {
            throw RBDError(error)
        }
    }
}

extension ClassCall {
    /// `rbd.metadata_list` of at most 64 keys.
    static func listingMetadata(after key: String) -> ClassCall {
        var input = Encoder()
        input.append(key)
        input.append(UInt64(64))
        return ClassCall("rbd", "metadata_list", input: input.bytes)
    }

    /// What it answers.
    static func metadata(in answer: [UInt8]) -> [String: String] {
        var decoder = Decoder(answer)
        return Dictionary((decoder.map() ?? []).map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }

    /// `rbd.metadata_remove`.
    static func removingMetadata(_ key: String) -> ClassCall {
        var input = Encoder()
        input.append(key)
        return ClassCall("rbd", "metadata_remove", input: input.bytes)
    }

    /// `rbd.metadata_set` with several keys.
    static func settingMetadata(_ metadata: [String: String]) -> ClassCall {
        var input = Encoder()
        input.append(UInt32(metadata.count))
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            input.append(key)
            input.append(value)
        }
        return ClassCall("rbd", "metadata_set", input: input.bytes)
    }
}
