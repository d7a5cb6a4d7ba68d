internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// HTTP/1 on a connection, with our limits.
struct BoundedChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    fileprivate let http: HTTP1Channel
    fileprivate let connections: Connections
    fileprivate let headLimit: Duration

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let http = http
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(HeadTimer(connections, limit: headLimit))
        }
        .flatMap { http.setup(channel: channel, logger: logger) }
        .flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            // Closes the connection after the answer if the client expects that: HTTP/1.0 without `Connection:
            // keep-alive`.
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(RequestWatch(connections), position: .after(decoder))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async {
        await http.handle(value: value, logger: logger)
    }
}

extension Responder {
    /// HTTP/1 on a connection, with our limits.
    func channel(_ configuration: ServerConfiguration) -> BoundedChannel {
        BoundedChannel(
            http: HTTP1Channel(
                responder: answer,
                configuration: HTTP1Channel.Configuration(
                    idleTimeout: TimeAmount(configuration.idleTimeout),
                    httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
                        maxHeaderFieldSize: 16 << 10,
                        maxHeaderListSize: 32 << 10,
                        maxHeaderFieldCount: 100
                    )
                )
            ),
            connections: connections,
            headLimit: configuration.readTimeout
        )
    }

    @Sendable @concurrent
    private func answer(
        _ request: Request,
        _ writer: consuming ResponseWriter,
        _ channel: any Channel
    ) async throws {
        defer { connections.end(channel) }
        let response = try await respond(to: request, on: channel)
        // A client that does not read its answer loses its connection, and its memory is freed.
        let limit = channel.eventLoop.scheduleTask(in: writeLimit) { channel.close(promise: nil) }
        defer { limit.cancel() }
        do {
            try await writer.write(response: response.head, body: response.body)
        } catch {
            // If a parser's error were rethrown, a second answer would be written.
            throw AnswerNotWritten(cause: error)
        }
    }
}

/// Records requests' heads, and closes a connection after an answer if the client expects that.
final class RequestWatch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// How many requests of a connection may wait for their answers.
    ///
    /// Real clients send one, or a few dozen. Without a limit a client that reads no answers has the service work without end.
    private static let most = 128

    private let connections: Connections
    /// What the client expects of the connection: one entry for each request that is not answered yet, in their order.
    private var ends: [Ending] = []

    private enum Ending {
        case close
        /// HTTP/1.0 with `Connection: keep-alive`: the client takes the connection for closed unless the answer says so.
        case keepSaid
        case keep

        init(_ head: HTTPRequestHead) {
            self = !head.isKeepAlive ? .close : head.version == .http1_0 ? .keepSaid : .keep
        }
    }
    /// Whether the connection was closed for too many of them; the decoder may have more parts of it.
    private var isShut = false

    init(_ connections: Connections) {
        self.connections = connections
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isShut else { return }
        if case .head(let head) = unwrapInboundIn(data) {
            guard ends.count < Self.most else {
                isShut = true
                return context.close(promise: nil)
            }
            ends.append(Ending(head))
            // Here, because a busy machine may start the request much later.
            connections.begin(context.channel)
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = unwrapOutboundIn(data)
        guard ends.first == .close else {
            if case .head(var head) = part, ends.first == .keepSaid {
                head.headers.replaceOrAdd(name: "Connection", value: "keep-alive")
                return context.write(wrapOutboundOut(.head(head)), promise: promise)
            }
            if case .end = part { ends = Array(ends.dropFirst()) }
            return context.write(data, promise: promise)
        }
        switch part {
        case .head(var head):
            head.headers.replaceOrAdd(name: "Connection", value: "close")
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            let (channel, written) = (context.channel, promise ?? context.eventLoop.makePromise(of: Void.self))
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
            context.write(data, promise: written)
        }
    }
}

/// The connection broke while an answer was written to it.
private struct AnswerNotWritten: Error {
    let cause: any Error
}
