public import RADOS

extension IOContext {
    /// The time of day of the OSD that has an image's header, by which a wrong clock of this machine shows.
    ///
    /// Ceph tells no OSD's time by itself. It does note on an image when it was used last, by the OSD's own clock, and that is
    /// done here and read: nothing else of the image changes.
    ///
    /// Implements the class calls `rbd.set_access_timestamp` and `rbd.get_access_timestamp`.
    ///
    /// - Parameter id: The image's id.
    /// - Returns: The time since 1970; `nil` if there is no such header.
    /// - Throws: `RBDError`.
    public func storageTime(byHeaderOf id: String) async throws(RBDError) -> Duration? {
        let header = ImageObject.header(ofID: id)
        do throws(RADOSError) {
            // A header that another process removed meanwhile must not be created again; and a full pool is to get room.
            try await execute(ClassCall("rbd", "set_access_timestamp"), on: header, isOld: true, passesFull: true)
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
        let calls = [ClassCall("rbd", "get_access_timestamp")]
        guard let answers = try await classCalls(calls, on: header) else { return nil }
        var answer = Decoder(answers[0])
        return answer.time()
    }
}
