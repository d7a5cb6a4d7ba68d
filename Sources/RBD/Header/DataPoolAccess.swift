public import RADOS

extension IOContext {
    /// How the pool of an image's data, where it is another than its header's, refuses this user; nothing where it does not.
    ///
    /// librbd and the kernel tell it as an I/O error only. Blocks the calling thread.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - isWritten: Whether it is to be written.
    /// - Returns: The pool's name, and what Ceph says.
    public func refusalOfData(ofImageID id: String, isWritten: Bool) -> (pool: String, error: RADOSError)? {
        guard let answer = try? call(ClassCall("rbd", "get_data_pool"), on: ImageObject.header(ofID: id)) else {
            return nil
        }
        var decoder = Decoder(answer)
        guard let number = decoder.number(Int64.self), number >= 0, number != poolID,
            let pool = try? cluster.poolName(id: number),
            let context = try? cluster.ioContext(pool: pool, namespace: namespace, failsWhenFull: true)
        else { return nil }
        // No image has an id with a dot.
        let object = "rbd_data.\(id).nacre.probe"
        return context.refusal(ofAccessTo: object, isChange: isWritten).map { (pool, $0) }
    }
}
