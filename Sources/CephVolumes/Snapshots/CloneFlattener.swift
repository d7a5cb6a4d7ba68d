internal import Blocking
internal import ExactText
public import Logging
internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
internal import SystemPackage
internal import Volumes

extension NameIndex {
    /// The clones of a pool that are to be flattened, by the images' names: a list that outlives the process.
    static let flattening = NameIndex("nacre_flatten")
}

/// Gives clones their own data that lie below too many others: one at a time a cluster, on connections and threads that
/// nothing else needs.
///
/// Each read of a block that no clone of a chain has written asks every image of the chain. A flatten that is stopped or
/// killed goes on where objects are missing. What is to be flattened stands in the pool: it is found again by the looks
/// into the trash.
public final class CloneFlattener: Sendable {
    /// The longest chain of clones that stays as it is.
    static let mostDepth = 8
    /// How long an image waits for its next try after a failure.
    private static let pause = Duration.seconds(300)

    /// What is being done.
    public struct Status: Sendable, Hashable {
        /// Clones that wait for their turn.
        public var waiting = 0
        /// Clones that are being flattened.
        public var running = 0
        /// Their objects that are done.
        public var objectsDone: UInt64 = 0
        /// Their objects in all; 0 while that is unknown.
        public var objectsInAll: UInt64 = 0
        /// Clones that were flattened since the start.
        public var flattened = 0
    }

    private struct Item: Sendable {
        let place: Place
        let imageID: String
    }

    private struct State {
        var queues: [ExactText: [Item]] = [:]
        /// The image that is being flattened, of each cluster, and how far that is.
        var running: [ExactText: (image: VolumeID, done: UInt64, total: UInt64)] = [:]
        var notBefore: [VolumeID: ContinuousClock.Instant] = [:]
        /// Images that are flattened now and are to be deleted.
        var unwanted: Set<VolumeID> = []
        var flattened = 0
        var isStopped = false
    }

    private let state = Mutex(State())
    private let connections: ClusterConnections
    private let logger: Logger
    private let looks = Operations()

    /// Makes a flattener; it begins with the first image that it finds.
    ///
    /// - Parameters:
    ///   - connections: Connections that are used for nothing else.
    ///   - logger: Where it reports.
    public init(connections: ClusterConnections, logger: Logger) {
        (self.connections, self.logger) = (connections, logger)
    }

    /// What is being done now.
    public var status: Status {
        state.withLock { state in
            Status(
                waiting: state.queues.values.reduce(0) { $0 + $1.count },
                running: state.running.count,
                objectsDone: state.running.values.reduce(0) { $0 + $1.done },
                objectsInAll: state.running.values.reduce(0) { $0 + $1.total },
                flattened: state.flattened
            )
        }
    }

    /// Stops what is under way where librbd allows it; the next process goes on.
    public func stop() { state.withLock { $0.isStopped = true } }

    /// Stops the flattening of an image that is to be deleted, which is in use for as long as that lasts.
    func giveUp(_ image: VolumeID) {
        state.withLock { state in
            if state.running.values.contains(where: { $0.image == image }) { state.unwanted.insert(image) }
        }
    }

    /// Closes connections that were unused for a while.
    public func releaseIdle() { connections.releaseIdle() }

    /// Writes down that a clone is to be flattened.
    static func note(_ place: Place, _ imageID: String) async throws(VolumeError) {
        let name = place.id.image
        try await place.trying("note that there are too many clones below image") { () async throws(RBDError) in
            try await place.context.makeIndex(.flattening)
            _ = try await place.link.threads.run { () throws(RBDError) in
                try place.context.replaceName(name, leadingTo: nil, with: imageID, in: .flattening)
            }
        }
    }

    /// Takes on what is written down in a pool.
    func adopt(from place: Place) async throws(VolumeError) {
        let names = try await place.trying("list the clones to flatten in the pool of") { () async throws(RBDError) in
            try await place.context.names(after: "", in: .flattening, limit: 1024)
        }
        for (name, imageID) in names {
            guard let there = try? place.sibling(name) else { continue }
            let isNew = state.withLock { state -> Bool in
                let cluster = ExactText(there.id.clusterID)
                let isKnown =
                    state.queues[cluster]?.contains { $0.place.id == there.id } == true
                    || state.running[cluster]?.image == there.id
                guard !isKnown, state.notBefore[there.id].map({ $0 <= .now }) ?? true else { return false }
                state.queues[cluster, default: []].append(Item(place: there, imageID: imageID))
                return true
            }
            if isNew { startNext(ExactText(there.id.clusterID)) }
        }
    }

    private func startNext(_ cluster: ExactText) {
        let item = state.withLock { state -> Item? in
            guard !state.isStopped, state.running[cluster] == nil, var queue = state.queues[cluster], !queue.isEmpty
            else { return nil }
            let item = queue.removeFirst()
            state.queues[cluster] = queue
            state.running[cluster] = (item.place.id, 0, 0)
            return item
        }
        guard let item else { return }
        Task {
            do throws(VolumeError) {
                try await self.flatten(item, cluster)
                self.state.withLock { $0.flattened += 1 }
            } catch {
                self.state.withLock { $0.notBefore[item.place.id] = .now + Self.pause }
                self.logger.notice(
                    "cannot flatten a clone yet",
                    metadata: ["rbd.image": "\(item.place.id.imageSpec)", "reason": "\(error.message)"]
                )
            }
            self.state.withLock { state in
                state.running[cluster] = nil
                state.unwanted.remove(item.place.id)
            }
            self.startNext(cluster)
        }
    }

    private func flatten(_ item: Item, _ cluster: ExactText) async throws(VolumeError) {
        let id = item.place.id
        let link = try await connections.link(to: id.clusterID, as: item.place.credentials)
        let place = try await Place(id, link, item.place.credentials, looks)
        if try await place.imageID() == item.imageID {
            try await place.refuseIfLockedByHand("flatten image", item.imageID)
            try await place.waiting("flatten image") { (context) throws(RBDError) in
                let image = try Image.open(id.image, in: context, access: .readWrite)
                defer { image.close() }
                try image.require(item.imageID)
                guard try image.parent() != nil else { return }
                try image.flatten { done, total in
                    self.state.withLock { state in
                        state.running[cluster]?.done = done
                        state.running[cluster]?.total = total
                        return !state.isStopped && !state.unwanted.contains(id)
                    }
                }
            }
            try await place.trying("set metadata of image") { () async throws(RBDError) in
                try await place.context.setMetadata([ImageMetadataKey.cloneDepth: "0"], ofImageID: item.imageID)
            }
        }
        _ = try await place.blocking("forget the flattening of image") { (context) throws(RBDError) in
            try context.replaceName(id.image, leadingTo: item.imageID, with: nil, in: .flattening)
        }
    }
}
