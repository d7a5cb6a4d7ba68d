internal import Blocking
internal import RADOS
internal import RBD
internal import Volumes

/// Calls of librbd that may have to wait for another client: for its exclusive lock, or for it to do what we ask.
extension Place {
    /// Runs one on threads of its own kind, so that what waits holds up only what may wait as well.
    ///
    /// A client that has stopped is waited for until Ceph forgets it, half a minute; who has a lock by hand would be
    /// waited for as long as he lives, so ask `refuseIfLockedByHand` before.
    func waiting<R: Sendable>(
        _ doing: String,
        _ body: @escaping @Sendable (IOContext) throws(RBDError) -> R
    ) async throws(VolumeError) -> R {
        let (context, link) = (context, link)
        return try await trying(doing) { () async throws(RBDError) in
            try await link.waitingThreads.run { () throws(RBDError) in try body(context) }
        }
    }

    /// Throws when somebody has the image's lock who would never be asked for it: one by `rbd lock add`.
    ///
    /// Of any other owner it takes note in the operation's step, for whoever waits to read.
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
                "cannot \(doing) '\(id.imageSpec)': \(owner) has its lock '\(ImageLockName.exclusive.rawValue)', taken by "
                    + "hand as '\(owner.cookie)'; when nobody needs it: "
                    + "rbd lock rm \(id.imageSpec) '\(owner.cookie)' \(owner.client)"
            )
        }
        enter(VolumeStep.waitingForLock, "\(id.imageSpec)' of \(owner) for '\(doing)")
    }
}
