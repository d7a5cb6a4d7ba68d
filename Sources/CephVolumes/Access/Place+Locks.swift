internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import Volumes

/// librbd calls that may have to wait for another client, for its exclusive lock or for its answer.
extension Place {
    /// Runs such a call on separate threads, so that it delays only other calls that may wait.
    ///
    /// A dead client is waited for until Ceph drops its watch, about 30 s. A lock that was taken by hand would be
    /// waited for without end, so call `refuseIfLockedByHand` before.
    func waiting<R: Sendable>(
        _ doing: String,
        creating layout: ImageLayout? = nil,
        _ body: @escaping @Sendable (IOContext) throws(RBDError) -> R
    ) async throws(VolumeError) -> R {
        let (context, link) = (context, link)
        return try await trying(doing, creating: layout) { () async throws(RBDError) in
            try await link.waitingThreads.run { () throws(RBDError) in try body(context) }
        }
    }

    /// Who has the image's lock by `rbd lock add`, and how it is taken away.
    func lockedByHand(_ owner: LockOwner) -> String {
        "\(owner) has its lock '\(ImageLockName.exclusive.rawValue)', taken by hand as \(owner.cookie.shellWord); when nobody "
            + "needs it: rbd lock rm \(id.imageSpec.shellWord) \(owner.cookie.shellWord) \(owner.client)"
    }

    /// Throws if the image's lock was taken by `rbd lock add`, because librbd does not ask such an owner to release it.
    ///
    /// Any other owner is recorded in the operation's step, for callers that wait.
    func refuseIfLockedByHand(_ doing: String, _ imageID: String) async throws(VolumeError) {
        let owners = try await blocking("read the lock of image") { (context) throws(RBDError) in
            do throws(RADOSError) {
                return try context.lockOwners(ImageLockName.exclusive.rawValue, on: ImageObject.header(ofID: imageID))
            } catch {
                throw RBDError(error)
            }
        }
        guard let owner = owners.first else { return }
        guard owner.isAutomatic else {
            throw VolumeError(
                .failedPrecondition,
                "cannot \(doing) '\(id.imageSpec)': \(lockedByHand(owner))"
            )
        }
        enter(VolumeStep.waitingForLock, "\(id.imageSpec)' of \(owner) for '\(doing)")
    }
}
