public import RADOS

/// An object beside an image that is being made, on which its makers write what they are about to do.
///
/// The notes are kept as librbd keeps the metadata of an image, so that the same class calls read and write them, and the
/// caps of an RBD user suffice. `rados listomapvals` shows them.
public struct MakerNotes: Sendable, Hashable {
    /// The object's name.
    public let object: String

    /// Names an object.
    public init(_ object: String) { self.object = object }
}

extension IOContext {
    /// Writes a note; the object is made where it is not there.
    ///
    /// Implements the class call `rbd.metadata_set`.
    ///
    /// - Parameters:
    ///   - notes: The object.
    ///   - key: The note's key.
    ///   - text: The note.
    /// - Throws: `RBDError`.
    public func write(_ notes: MakerNotes, _ key: String, _ text: String) async throws(RBDError) {
        try await execute(.settingMetadata([key: text]), on: notes)
    }

    /// The time of day of the OSD that has the object, which is made where it is not there.
    ///
    /// Implements the class calls `rbd.set_access_timestamp` and `rbd.get_access_timestamp`: see `storageTime`.
    ///
    /// - Parameter notes: The object.
    /// - Returns: The time since 1970; `nil` if another process has removed the object since.
    /// - Throws: `RBDError`.
    public func storageTime(by notes: MakerNotes) async throws(RBDError) -> Duration? {
        try await execute(ClassCall("rbd", "set_access_timestamp"), on: notes)
        let calls = [ClassCall("rbd", "get_access_timestamp")]
        guard let answers = try await classCalls(calls, on: notes.object) else { return nil }
        var answer = Decoder(answers[0])
        return answer.time()
    }

    /// All notes by their keys; `nil` if there is no such object.
    ///
    /// Implements the class call `rbd.metadata_list`.
    ///
    /// - Parameter notes: The object.
    /// - Returns: The notes.
    /// - Throws: `RBDError`.
    public func texts(of notes: MakerNotes) async throws(RBDError) -> [String: String]? {
        try await allMetadata(of: notes.object, prefix: "")
    }

    private func execute(_ call: ClassCall, on notes: MakerNotes) async throws(RBDError) {
        // Another process may make the object, or remove it, at the same time.
        for isLast in [false, false, false, true] {
            do throws(RADOSError) {
                do throws(RADOSError) {
                    return try await execute(call, on: notes.object, isNew: true)
                } catch {
                    guard error.isAlreadyThere else { throw error }
                }
                return try await execute(call, on: notes.object, isOld: true)
            } catch {
                guard error.isNotFound, !isLast else { throw RBDError(error) }
            }
        }
    }
}
