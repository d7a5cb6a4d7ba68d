public import RADOS

extension IOContext {
    /// A page of the pool's images in the order of their names, as name and id.
    ///
    /// Implements the class call `rbd.dir_list`. Similar to: rbd ls.
    ///
    /// - Parameters:
    ///   - name: The page starts behind this name; empty for the first.
    ///   - limit: The longest page wanted, 1 to 1024.
    /// - Returns: The images; empty behind the last, and in a pool that never had any.
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
    /// Whether the pool's directory has an image of that name, whatever else there is of it.
    ///
    /// Implements the class call `rbd.dir_get_id`.
    public func directoryHolds(_ name: String) async throws(RBDError) -> Bool {
        var input = Encoder()
        input.append(name)
        return try await classCalls([ClassCall("rbd", "dir_get_id", input: input.bytes)], on: ImageObject.directory)
            != nil
    }
}
