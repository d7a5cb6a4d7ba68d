internal import RADOS
internal import RBD
internal import Secrets
internal import Synchronization
internal import Volumes

/// What was read of many images of a pool.
struct HeadersRead<Found: Sendable>: Sendable {
    /// What was read, and of which image, in the order of the images.
    var found: [(image: (name: String, id: String), value: Found)] = []
    /// Why others were not.
    var failures: [VolumeError] = []
}

/// What a pool's directory, or its trash, lists.
struct PoolList<Item: Sendable>: Sendable {
    /// The pool; `nil` if it has no such list, or it could not be opened.
    var place: Place?
    /// What was read, also where what follows could not be.
    var items: [Item] = []
    /// Why the rest was not.
    var failure: VolumeError?
}

extension PoolAccess {
    /// Reads all that a pool lists, part by part, each for as long as a look may take.
    ///
    /// - Parameters:
    ///   - pool: The pool.
    ///   - cluster: Its cluster.
    ///   - credentials: As whom; the service's own user without.
    ///   - deadline: After it, no further part is read; no end without.
    ///   - next: Reads what follows an item, or the first part; an empty part is the end.
    /// - Returns: The list, as far as it could be read.
    func list<Item: Sendable>(
        _ pool: String,
        of cluster: ClusterEntry,
        as credentials: Credentials? = nil,
        until deadline: ContinuousClock.Instant? = nil,
        _ next: @escaping @Sendable (Place, Item?) async throws(VolumeError) -> [Item]
    ) async -> PoolList<Item> {
        var list = PoolList<Item>()
        do throws(VolumeError) {
            while true {
                let last = list.items.last
                let part = try await looking(into: pool, of: cluster, as: credentials) { (place) throws(VolumeError) in
                    Part(place: place, items: try await next(place, last))
                }
                guard let part else { return list }
                list.place = part.place
                guard !part.items.isEmpty else { return list }
                list.items += part.items
                if let deadline, deadline <= .now {
                    let place = "pool '\(pool)' of cluster '\(cluster.clusterID)'"
                    throw VolumeError(
                        .unavailable,
                        "\(place): the time ended after \(list.items.count) entries of its list"
                    )
                }
            }
        } catch {
            list.failure = error
            return list
        }
    }

    private struct Part<Item: Sendable>: Sendable {
        let place: Place
        let items: [Item]
    }
}

extension Place {
    /// So many headers of a pool are read at once.
    private static let headersAtOnce = 128

    /// Reads the headers of images of the pool, many at once and each for as long as a look may take.
    ///
    /// One that is not answered hides no other. Images of a placement group that did not answer are not asked for any more,
    /// but those that were asked for at once were all waited for, and a pool may have many such groups: the deadline ends it.
    ///
    /// - Parameters:
    ///   - images: Which.
    ///   - doing: What is done with each, such as `read who has image`.
    ///   - deadline: When reading ends; what is left then counts as not answered. No end without.
    ///   - read: Reads one, without blocking a thread.
    /// - Returns: What was read, and why others were not.
    func headers<Found: Sendable>(
        of images: [(name: String, id: String)],
        _ doing: String,
        until deadline: ContinuousClock.Instant? = nil,
        _ read: @escaping @Sendable (IOContext, String) async throws(RBDError) -> Found
    ) async -> HeadersRead<Found> {
        let silent = SilentGroups()
        let answers = await withTaskGroup(of: HeaderAnswer<Found>.self) { group in
            var answers: [HeaderAnswer<Found>] = []
            for (index, image) in images.enumerated() {
                if index >= Self.headersAtOnce, let answer = await group.next() { answers.append(answer) }
                group.addTask {
                    let outcome = await header(of: image, doing, deadline, silent, read)
                    return HeaderAnswer(index: index, outcome: outcome)
                }
            }
            return await group.reduce(into: answers) { $0.append($1) }
        }
        var result = HeadersRead<Found>()
        var failed: [(name: String, error: VolumeError)] = []
        var unanswered: [String] = []
        var unasked: [String] = []
        for answer in answers.sorted(by: { $0.index < $1.index }) {
            let image = images[answer.index]
            switch answer.outcome {
            case .read(let value): result.found.append((image, value))
            case .failed(let error): failed.append((image.name, error))
            case .silent: unanswered.append(image.name)
            case .late: unasked.append(image.name)
            }
        }
        if let first = failed.first {
            result.failures.append(VolumeError(first.error.code, first.error.message + Self.others(failed.count)))
        }
        if let first = unanswered.first {
            let others = Self.others(unanswered.count)
            let reason = await standstill() ?? "the monitors say no reason; see 'ceph health detail'"
            result.failures.append(
                VolumeError(
                    .unavailable,
                    "cannot \(doing) '\(context.label)/\(first)': no answer within "
                        + "\(PoolAccess.poolPatience.seconds): \(reason)\(others)"
                )
            )
        }
        if let first = unasked.first {
            let words = "cannot \(doing) '\(context.label)/\(first)': the time ended before it answered"
            result.failures.append(VolumeError(.unavailable, words + Self.others(unasked.count)))
        }
        return result
    }

    /// That what is said of one of `count` images is so of the others.
    private static func others(_ count: Int) -> String {
        count > 1 ? "; and so it is with \(count - 1) more" : ""
    }

    private func header<Found: Sendable>(
        of image: (name: String, id: String),
        _ doing: String,
        _ deadline: ContinuousClock.Instant?,
        _ silent: SilentGroups,
        _ read: @escaping @Sendable (IOContext, String) async throws(RBDError) -> Found
    ) async -> HeaderOutcome<Found> {
        let group = context.placementGroup(of: ImageObject.header(ofID: image.id))
        guard !silent.contains(group) else { return .silent }
        let patience = ContinuousClock.now + PoolAccess.poolPatience
        let end = min(deadline ?? patience, patience)
        guard end > .now else { return .late }
        // An image whose name is too long for a handle can be read all the same.
        let place = (try? sibling(image.name)) ?? self
        do throws(VolumeError) {
            let found = try await looks.runAlone(
                "\(doing) '\(context.label)/\(image.name)'",
                deadline: end
            ) { () async throws(VolumeError) in
                try await place.trying(doing) { () async throws(RBDError) in try await read(place.context, image.id) }
            }
            return .read(found)
        } catch {
            guard error.code == .deadlineExceeded else { return .failed(error) }
            guard end == patience else { return .late }
            silent.insert(group)
            return .silent
        }
    }
}

private enum HeaderOutcome<Found: Sendable>: Sendable {
    case read(Found)
    case failed(VolumeError)
    case silent
    /// The caller's time ended.
    case late
}

private struct HeaderAnswer<Found: Sendable>: Sendable {
    let index: Int
    let outcome: HeaderOutcome<Found>
}

/// Placement groups of one pool that did not answer in time.
private final class SilentGroups: Sendable {
    private let groups = Mutex<Set<UInt32>>([])

    func contains(_ group: UInt32?) -> Bool {
        guard let group else { return false }
        return groups.withLock { $0.contains(group) }
    }

    func insert(_ group: UInt32?) {
        guard let group else { return }
        groups.withLock { _ = $0.insert(group) }
    }
}
