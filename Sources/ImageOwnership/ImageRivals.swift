internal import ExactText
internal import Glibc
package import ImageMapping
internal import KernelMapping
internal import LinuxKernel
package import RADOS
package import RBD
internal import SystemPackage

/// Sees to it that no other node can write to an image before we take it.
///
/// A node of ours has the holder's lock for as long as it maps the image. For others, an image with the exclusive-lock
/// feature is with who owns that lock: all others ask the owner before they write. Whoever watches the image may be writing
/// too, or may in a moment: the kernel takes the lock with its first write.
///
/// | who has it | what is done |
/// | --- | --- |
/// | nobody | it is ours to take |
/// | a process of this node, in this boot, that is dead | it is fenced at once |
/// | this node's kernel, in this boot, which has unmapped it | it is fenced at once |
/// | a client that is heard of and has this node's number and another boot | refused: the number is there twice, or the node has just booted |
/// | a client whose watch has run out: it was not heard of for 30 s | it is fenced, once a second look agrees |
/// | a client that is heard of, and a node has written down that it has the image | refused; who asks may wait while it does not answer |
/// | a client that is heard of, and nobody knows | waited for, it may be a resize; then refused |
/// | a lock that somebody took by hand | refused |
///
/// To fence is to blocklist the client's address first, so that the cluster refuses what it may still send, and to break
/// its lock then.
package struct ImageRivals {
    package let context: IOContext
    package let image: ImageAddress
    package let node: NodeIdentity
    /// Clients of this node that are known to be dead, whatever else is written down.
    package var dead: [String] = []
    /// The addresses of this kernel's clients that have images mapped.
    package var kernelClients = KernelRBDBus().clientAddresses()
    /// How long a client is waited for that may be there for one change alone.
    package var patience = Duration.seconds(8)
    /// Where fences are counted.
    package var tally: FenceTally?
    /// Told of what is fenced and why.
    package var log: (String) -> Void = { _ in }

    /// A client of this node sends nothing more once its process is gone; the cluster's default of an hour is plenty.
    package static let ownSeconds: UInt32 = 3600
    /// Another node may be a frozen machine that thaws; 30 days.
    package static let foreignSeconds: UInt32 = 30 * 86_400

    /// How long a client that watches may take to answer.
    private static let answerTime = Duration.seconds(2)

    /// Names the image, as it is reached through a connection, and who asks.
    package init(context: IOContext, image: ImageAddress, node: NodeIdentity) {
        (self.context, self.image, self.node) = (context, image, node)
    }

    private static let pause: UInt32 = 200_000
    /// Between the looks at a client whose watch has run out: an OSD that comes back has it renewed within that time.
    private static let secondLook: UInt32 = 2_000_000

    /// Returns when nobody has the image, and says its id.
    ///
    /// Blocks.
    @discardableResult
    package func settle() throws(MappingError) -> String {
        let deadline = ContinuousClock.now + patience
        var fenced: Set<String> = []
        var silent: Set<String> = []
        while true {
            let found = try look()
            var alive: ImageClient?
            var waits = false
            for client in relevant(found) where !fenced.contains(client.address) || !client.locks.isEmpty {
                switch verdict(client) {
                case .ours(let why):
                    try fence(client, found.imageID, Self.ownSeconds, why)
                    fenced.insert(client.address)
                case .silent where silent.contains(client.address):
                    try fence(client, found.imageID, Self.foreignSeconds, "it was not heard of for 30 s")
                    fenced.insert(client.address)
                case .silent:
                    silent.insert(client.address)
                    waits = true
                case .byHand(let owner): throw Self.lockedByHand(image, owner)
                case .alive:
                    // One that was heard of again has both looks before it once more.
                    silent.remove(client.address)
                    alive = client
                }
            }
            if waits {
                usleep(Self.secondLook)
                continue
            }
            guard let alive else {
                try requireData(of: found.imageID, isWritten: true)
                return found.imageID
            }
            guard .now < deadline, alive.record == nil || isOurs(alive) else {
                // It may be dead all the same; whoever tries again is told.
                try? context.reviewWatches(of: ImageObject.header(ofID: found.imageID))
                let refusal = isDouble(alive) ? Self.double(image, alive, node) : Self.inUse(image, alive)
                switch answer(of: alive, found.imageID) {
                case .came: throw refusal
                case .stayedAway: throw refusal.withSilentHolder()
                case .isGone: continue
                }
            }
            usleep(Self.pause)
        }
    }

    private enum Verdict {
        /// A client of this node that is dead.
        case ours(String)
        /// A client whose watch has run out.
        case silent
        case alive
        /// A lock that no client of librbd or krbd takes by itself.
        case byHand(LockOwner)
    }

    private func verdict(_ client: ImageClient) -> Verdict {
        if dead.contains(client.address) { return .ours("its process is gone") }
        // A boot is one kernel's; a number in a file can be copied, so of another boot only the watch tells.
        if let record = client.record, isOurs(client) {
            // The kernel's own client is dead when it is unmapped.
            guard let process = record.process else {
                let isMapped = client.isWatching || kernelClients.contains(client.address)
                return isMapped ? .alive : .ours("this node's kernel has unmapped it")
            }
            let identity = ProcessIdentity(pid: process.pid, startTime: process.startTime, bootID: record.bootID)
            return identity.isAlive ? .alive : .ours("process \(process.pid) is gone")
        }
        if let owner = client.locks[.exclusive], !owner.cookie.startsExactly(with: "auto ") {
            return .byHand(owner)
        }
        return client.isWatching ? .alive : .silent
    }

    private func isOurs(_ client: ImageClient) -> Bool {
        guard let record = client.record else { return false }
        guard record.host.isExactly(node.host), record.bootID.isExactly(node.bootID) else { return false }
        // A machine that was copied while it ran has number and boot of the other, and its processes' numbers say nothing here.
        return record.nodeUID.map { node.has(uid: $0) } ?? true
    }

    /// Whether a client that is alive has this node's number, which it can only have of a copy.
    private func isDouble(_ client: ImageClient) -> Bool {
        client.record?.host.isExactly(node.host) == true && !isOurs(client)
    }

    private enum Answer {
        case came
        case stayedAway
        /// Its watch ran out meanwhile.
        case isGone
    }

    /// What a client that watches the image answers; if that cannot be told, it does.
    private func answer(of client: ImageClient, _ imageID: String) -> Answer {
        guard client.isWatching, let number = client.clientID else { return .came }
        let header = ImageObject.header(ofID: imageID)
        guard let silent = try? context.unansweringWatchers(of: header, within: Self.answerTime) else { return .came }
        guard !silent.contains(number) else { return .stayedAway }
        // An OSD waits no more for a watcher whose watch runs out, and does not name it.
        guard let watchers = try? context.watchers(of: header) else { return .came }
        return watchers.contains { $0.clientID == number } ? .came : .isGone
    }

    /// Who may write, or could in a moment: everybody but ourselves.
    private func relevant(_ found: ImageClients) -> [ImageClient] {
        let ours = context.cluster.instanceID
        return found.clients.filter { $0.clientID != ours }
    }

    /// The image and who has it now.
    package func look() throws(MappingError) -> ImageClients {
        let id: String?
        let found: ImageClients?
        do throws(RBDError) {
            id = try context.idOfImage(named: image.name)
            found = if let id { try context.clients(ofImageID: id) } else { nil }
        } catch {
            throw MappingError("read who has image \(image)", error)
        }
        if let found { return found }
        throw id == nil ? MappingError(.notFound, "there is no image \(image)") : .headless(image)
    }

    private func fence(
        _ client: ImageClient,
        _ imageID: String,
        _ seconds: UInt32,
        _ why: String
    ) throws(MappingError) {
        log("fencing \(client), which has image \(image): \(why)")
        do throws(RBDError) {
            try context.fence(client, ofImageID: imageID, seconds: seconds)
            tally?.note(seconds == Self.ownSeconds ? .own : .other)
        } catch {
            guard error.code == .permissionDenied || error.code == .notPermitted else {
                throw MappingError("fence \(client), which has image \(image) and is dead", error)
            }
            throw MappingError(
                .denied,
                "cannot fence \(client), which has image \(image) and is dead \(error): this user may not blocklist; "
                    + "its mon caps must be 'profile rbd', or run: nacre node fence \(client.address)"
            )
        }
    }

    package static func inUse(_ image: ImageAddress, _ client: ImageClient) -> MappingError {
        let fence = "if it is dead for good: nacre node fence \(client.address)"
        guard let record = client.record else {
            return MappingError(
                .inUse,
                "image \(image) is in use by \(client), of which no node has made a note; unmap it there first, or \(fence)"
            )
        }
        return MappingError(
            .inUse,
            "image \(image) is in use on \(client), mapped by \(record.mapper); unmap it there first, or \(fence)"
        )
        .of(holder: record.node)
    }

    private static func double(_ image: ImageAddress, _ client: ImageClient, _ node: NodeIdentity) -> MappingError {
        MappingError(
            .inUse,
            "image \(image) is in use on \(client), which has the number of node '\(node.name)', \(node.host), and another "
                + "boot or another Node object: either this node has booted within the last 30 s, then the next try succeeds, or one of the two was "
                + "copied from the other; then remove the file 'host' in the state directory of one of them while nothing is "
                + "mapped there"
        )
    }

    private static func lockedByHand(_ image: ImageAddress, _ owner: LockOwner) -> MappingError {
        MappingError(
            .inUse,
            "image \(image) is locked by hand, as \(owner.cookie.shellWord) by \(owner); when that is not needed any more: "
                + "rbd lock rm \("\(image)".shellWord) \(owner.cookie.shellWord) \(owner.client)"
        )
    }
}
