internal import Blocking
internal import ExactText
internal import RADOS
internal import RBD
internal import SystemPackage

/// Why an image cannot be removed, in words.
struct RemovalObstacles: Sendable {
    let place: Place
    let imageID: String
    let threads: BlockingPool

    /// Asks what is in the way.
    ///
    /// - Parameters:
    ///   - error: What Ceph answered.
    ///   - reviewingWatches: Whether watches have prevented the removal for so long that their clients may be dead.
    /// - Returns: What it is, for a person.
    func words(for error: RBDError, reviewingWatches: Bool) async -> String {
        let call = "(\(error.call): \(error.code.name))"
        let context = place.context
        switch error.code {
        case .resourceBusy where error.call == "rados_lock_exclusive":
            return "another process removes it \(call)"
        case .resourceBusy, .readOnlyFileSystem:
            let header = ImageObject.header(ofID: imageID)
            let ours = context.cluster.instanceID
            let watchers = ((try? await context.watchers(of: header)) ?? []).filter { $0.clientID != ours }
            if !watchers.isEmpty, reviewingWatches {
                // A failure is ignored: it is tried again.
                try? await threads.run { () throws(RADOSError) in try context.reviewWatches(of: header) }
            }
            let who = watchers.map(\.description).joined(separator: ", ")
            guard who.isEmpty else { return "\(who) has it open \(call)" }
            return await lock().map { "\($0) \(call)" } ?? "it is in use \(call)"
        case .directoryNotEmpty, .tooManyLinks:
            let ties = try? await context.ties(ofImageID: imageID)
            let space = context.namespace.isEmpty ? "" : " --namespace \(context.namespace.shellWord)"
            let named = "--pool \(context.pool.shellWord)\(space) --image-id \(imageID)"
            return "\(ties?.words(of: named, named: named) ?? "it has snapshots or clones, or is in a group") \(call)"
        case .notPermitted where error.call == "rbd_trash_remove":
            return "its deferment in the trash has not ended \(call)"
        case .ioError:
            return
                "its header or its data cannot be read \(call); see 'ceph health detail' for placement groups that have to be "
                + "repaired; it is tried again then"
        case .timedOut: return "the cluster did not answer in time \(call); see 'ceph health detail'"
        case .permissionDenied, .notPermitted:
            return "Ceph refuses it to this user \(call); its caps must be mon 'profile rbd' and osd 'profile rbd'"
        default:
            return "Ceph does not say why \(call)"
        }
    }

    private func lock() async -> String? {
        let (context, header) = (place.context, ImageObject.header(ofID: imageID))
        let owners = try? await threads.run { () throws(RADOSError) in
            try context.lockOwners(ImageLockName.exclusive.rawValue, on: header)
        }
        guard let owner = owners?.first else { return nil }
        let cookie = owner.cookie.shellWord
        // Without --lock-cookie rados takes no cookie at all, and breaks no lock that has one.
        return "\(owner) has its lock \(cookie); remove it with: rados --pool \(context.pool.shellWord)"
            + (context.namespace.isEmpty ? "" : " --namespace \(context.namespace.shellWord)")
            + " lock break \(header) \(ImageLockName.exclusive.rawValue) \(owner.client) --lock-cookie \(cookie)"
    }
}
