internal import CRBD
internal import ExactText
public import RADOS
internal import SystemPackage

extension IOContext {
    /// Whether an image's exclusive lock was left by a client of librbd's or the kernel's that does not watch it any more.
    ///
    /// A lock that a person took by `rbd lock add` does not count, because only that person knows its purpose.
    public func hasLockOfDeadClient(_ id: String) async throws(RBDError) -> Bool {
        let header = ImageObject.header(ofID: id)
        do throws(RADOSError) {
            guard try await watchers(of: header).allSatisfy({ $0.clientID == cluster.instanceID }) else { return false }
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return false
        }
        guard let lock = try await exclusiveLock(ofID: id) else { return false }
        return lock.owners == 1 && lock.isAutomatic
    }

    /// How many clients hold an image's exclusive lock, and whether librbd or krbd took it by itself; `nil` if nobody
    /// has it.
    ///
    /// Implements the class call `lock.get_info`. See: librbd, `ManagedLock::encode_lock_cookie` and `RBD_LOCK_TAG`.
    func exclusiveLock(ofID id: String) async throws(RBDError) -> (owners: Int, isAutomatic: Bool)? {
        let call = ClassCall.askingOwners(of: .exclusive)
        guard let answer = try await classCalls([call], on: ImageObject.header(ofID: id))?.first,
            let (owners, _) = Locker.all(in: answer), let first = owners.first
        else { return nil }
        return (owners.count, first.cookie.startsExactly(with: LockOwner.automaticCookie))
    }

    /// Takes over the lock of a dead client through librbd, which fences that client first, and releases it.
    ///
    /// Blocks the calling thread.
    ///
    /// Implements `rbd_open_by_id`, `rbd_lock_acquire` and `rbd_close`.
    public func breakLockInTrash(ofID id: String) throws(RBDError) {
        var raw: rbd_image_t?
        let subject = "\(label)/\(id)"
        try check(withRawContext { rbd_open_by_id($0, id, &raw, nil) }, "rbd_open_by_id", subject)
        guard let raw else { throw RBDError(call: "rbd_open_by_id", code: .noMemory, subject: subject) }
        defer { rbd_close(raw) }
        try check(rbd_lock_acquire(raw, RBD_LOCK_MODE_EXCLUSIVE), "rbd_lock_acquire", subject)
    }
}

extension LockOwner {
    /// The prefix of the cookies of locks that librbd and krbd take by themselves.
    static let automaticCookie = "auto "

    /// Whether librbd or krbd took the lock by itself and can be asked to release it; false for `rbd lock add`.
    public var isAutomatic: Bool { cookie.startsExactly(with: Self.automaticCookie) }
}
