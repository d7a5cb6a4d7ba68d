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

    /// The metadata of an image by its id, at most 64 keys of it, or nothing when its header is missing.
    ///
    /// Implements the class call `rbd.metadata_list`.
    public func metadata(ofImageID id: String) async throws(RBDError) -> [String: String]? {
        var input = Encoder()
        input.append("")
        input.append(UInt64(64))
        let call = ClassCall("rbd", "metadata_list", input: input.bytes)
        guard let answers = try await classCalls([call], on: ImageObject.header(ofID: id)) else { return nil }
        var decoder = Decoder(answers[0])
        let pairs = decoder.map() ?? []
        return Dictionary(pairs.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }
}

extension ClassCall {
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
