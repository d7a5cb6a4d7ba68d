public import RADOS
internal import SystemPackage

/// An entry of the trash as it is stored, including one that a killed call of librbd left incomplete.
///
/// `rbd_trash_list` omits the entries that `rbd_remove` made, and does not return states. See: cls_rbd_types.h,
/// `TrashImageSpec`.
public struct TrashRecord: Sendable, Hashable {
    /// Who put it there.
    public enum Source: UInt8, Sendable {
        /// A person or program, by `rbd_trash_move`.
        case user
        /// rbd-mirror.
        case mirroring
        /// A migration.
        case migration
        /// `rbd_remove`, on its way.
        case removing
        /// The removal of a clone's last snapshot.
        case userParent
    }

    /// The operation in progress, or the one that a killed process left.
    public enum State: UInt8, Sendable {
        /// Nothing.
        case normal
        /// `rbd_trash_move`; until it completes, `rbd_trash_remove` answers EBUSY.
        case moving
        /// `rbd_trash_remove`.
        case removing
        /// `rbd_trash_restore`; until it completes, `rbd_trash_move` answers ESTALE.
        case restoring
    }

    /// The image's id.
    public let id: String
    /// The name it had.
    public let name: String
    /// Who put it there.
    public let source: Source
    /// When it was put there, since 1970.
    public let deletedAt: Duration
    /// Until when it must be kept, since 1970.
    public let deferredUntil: Duration
    /// What is being done with it.
    public let state: State
}

extension IOContext {
    /// A page of the trash in the order of ids.
    ///
    /// Implements the class call `rbd.trash_list`. Similar to: rbd trash ls --all.
    ///
    /// - Parameters:
    ///   - id: The page starts after this id; empty for the first page.
    ///   - limit: The longest page wanted, 1 to 1024.
    /// - Returns: The entries; empty after the last one, and in a pool that never had any.
    /// - Throws: `RBDError` for anything but a missing trash.
    public func trashRecords(after id: String, limit: Int) async throws(RBDError) -> [TrashRecord] {
        var input = Encoder()
        input.append(id)
        input.append(UInt64(limit))
        let call = ClassCall("rbd", "trash_list", input: input.bytes)
        guard let answers = try await classCalls([call], on: ImageObject.trash) else { return [] }
        var decoder = Decoder(answers[0])
        let malformed = RBDError(call: "rbd.trash_list", code: .ioError, subject: "\(label)/\(ImageObject.trash)")
        guard let count = decoder.number(UInt32.self) else { throw malformed }
        var records: [TrashRecord] = []
        for _ in 0..<count {
            guard let id = decoder.string(), var entry = decoder.structure(), let record = TrashRecord(id, &entry)
            else { throw malformed }
            records.append(record)
        }
        return records
    }

    /// An image's entry in the trash; `nil` if it is not there.
    ///
    /// Implements the class call `rbd.trash_get`.
    public func trashRecord(ofID id: String) async throws(RBDError) -> TrashRecord? {
        var input = Encoder()
        input.append(id)
        let call = ClassCall("rbd", "trash_get", input: input.bytes)
        guard let answers = try await classCalls([call], on: ImageObject.trash) else { return nil }
        var decoder = Decoder(answers[0])
        guard var entry = decoder.structure(), let record = TrashRecord(id, &entry) else {
            throw RBDError(call: "rbd.trash_get", code: .ioError, subject: "\(label)/\(ImageObject.trash)")
        }
        return record
    }

    /// Removes an entry from the trash and does not touch the image.
    ///
    /// Implements the class call `rbd.trash_remove`.
    func forgetTrash(_ id: String) async throws(RADOSError) {
        var input = Encoder()
        input.append(id)
        try await execute(ClassCall("rbd", "trash_remove", input: input.bytes), on: ImageObject.trash)
    }

    /// Sets the state of a trash entry, if it is still in the state that the caller saw.
    ///
    /// Implements the class call `rbd.trash_state_set`.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - state: The new state.
    ///   - expected: The state that it must have; the call also succeeds if it has the new state already.
    /// - Throws: `RBDError` with `.staleNFSFileHandle` when it is in another.
    public func setTrashState(
        of id: String,
        to state: TrashRecord.State,
        expecting expected: TrashRecord.State
    ) async throws(RBDError) {
        var input = Encoder()
        input.append(id)
        input.append(state.rawValue)
        input.append(expected.rawValue)
        do throws(RADOSError) {
            try await execute(ClassCall("rbd", "trash_state_set", input: input.bytes), on: ImageObject.trash)
        } catch {
            throw RBDError(error)
        }
    }
}

extension TrashRecord {
    fileprivate init?(_ id: String, _ entry: inout Decoder) {
        guard let source = entry.number(UInt8.self).flatMap(Source.init), let name = entry.string(),
            let deletedAt = entry.time(), let deferredUntil = entry.time(),
            // Releases before Mimic wrote no state.
            let state = State(rawValue: entry.number(UInt8.self) ?? 0)
        else { return nil }
        self.init(
            id: id,
            name: name,
            source: source,
            deletedAt: deletedAt,
            deferredUntil: deferredUntil,
            state: state
        )
    }
}
