internal import NIOCore
internal import Synchronization

/// The open connections of a server.
///
/// Every connection is accepted. If there are more than allowed, the one that has been without a request for longest is
/// closed. A request is under way from its last byte until its answer is ready. So a connection whose request is
/// incomplete, or whose answer is not read, has none. Idle and slow clients therefore cannot keep others out, in
/// particular not callers of `/healthz` and `/metrics`.
final class Connections: Sendable {
    private struct Entry {
        let channel: any Channel
        /// Since when a head is awaited that has begun.
        var headSince: ContinuousClock.Instant?
        /// Whether a task checks that this does not take too long.
        var isTimed = false
        /// When the requests came that are between the end of their head and the end of their answer; several if a
        /// client does not wait for answers.
        var requests: [ContinuousClock.Instant] = []
        /// Since when no complete request is under way; `nil` while one is.
        var idleSince: ContinuousClock.Instant? = .now
    }

    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])
    private let most: Int

    /// Allows that many.
    init(most: Int) {
        self.most = most
    }

    /// Registers a new connection, and closes another one if there are too many.
    func open(_ channel: any Channel) {
        let surplus = entries.withLock { entries -> (any Channel)? in
            entries[ObjectIdentifier(channel)] = Entry(channel: channel)
            guard entries.count > most else { return nil }
            // Not the new one: it had no time to send its request.
            let idle = entries.filter { $0.value.idleSince != nil && $0.value.channel !== channel }
            let oldest = idle.min { ($0.value.idleSince ?? .now) < ($1.value.idleSince ?? .now) }
            // It is no longer counted, so that the next new connection closes another one.
            return oldest.flatMap { entries.removeValue(forKey: $0.key)?.channel }
        }
        surplus?.close(promise: nil)
        channel.closeFuture.whenComplete { [weak self] _ in
            self?.entries.withLock { $0[ObjectIdentifier(channel)] = nil }
        }
    }

    /// Records that bytes arrived; returns whether a task must start to `check` the connection.
    func receives(_ channel: any Channel) -> Bool {
        entries.withLock { entries in
            guard var entry = entries[ObjectIdentifier(channel)], entry.requests.isEmpty else { return false }
            defer { entries[ObjectIdentifier(channel)] = entry }
            entry.headSince = entry.headSince ?? .now
            guard !entry.isTimed else { return false }
            entry.isTimed = true
            return true
        }
    }

    /// Closes a connection whose head has taken longer than `limit`; returns when to check again, if a head is
    /// expected.
    func check(_ channel: any Channel, limit: Duration) -> Duration? {
        let rest = entries.withLock { entries -> Duration? in
            guard let since = entries[ObjectIdentifier(channel)]?.headSince else {
                entries[ObjectIdentifier(channel)]?.isTimed = false
                return nil
            }
            return since + limit - .now
        }
        guard let rest, rest <= .zero else { return rest }
        channel.close(promise: nil)
        return nil
    }

    /// Says that a request's head is complete.
    func begin(_ channel: any Channel) {
        entries.withLock { entries in
            entries[ObjectIdentifier(channel)]?.requests.append(.now)
            entries[ObjectIdentifier(channel)]?.headSince = nil
        }
    }

    /// Says that a request is answered.
    func end(_ channel: any Channel) {
        entries.withLock { entries in
            let isLate = entries[ObjectIdentifier(channel)]?.requests.isEmpty ?? true
            if !isLate { entries[ObjectIdentifier(channel)]?.requests.removeFirst() }
        }
    }

    /// When the request came that a connection is answered now; `nil` for one that is closed for others.
    func arrival(on channel: any Channel) -> ContinuousClock.Instant? {
        entries.withLock { $0[ObjectIdentifier(channel)]?.requests.first }
    }

    /// Runs `body` while the connection's request is under way.
    func serving<R>(_ channel: any Channel, _ body: () async -> R) async -> R {
        entries.withLock { $0[ObjectIdentifier(channel)]?.idleSince = nil }
        let result = await body()
        entries.withLock { $0[ObjectIdentifier(channel)]?.idleSince = .now }
        return result
    }
}

/// Limits the time for each request's head; it is the first handler of a connection's bytes.
final class HeadTimer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connections: Connections
    private let limit: Duration

    init(_ connections: Connections, limit: Duration) {
        self.connections = connections
        self.limit = limit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connections.open(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if connections.receives(context.channel) {
            Self.check(connections, context.channel, limit: limit, in: limit)
        }
        context.fireChannelRead(data)
    }

    private static func check(_ connections: Connections, _ channel: any Channel, limit: Duration, in wait: Duration) {
        channel.eventLoop.scheduleTask(in: TimeAmount(wait)) {
            guard let rest = connections.check(channel, limit: limit) else { return }
            check(connections, channel, limit: limit, in: rest)
        }
    }
}
