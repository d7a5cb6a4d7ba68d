import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import VolumeServer

/// The UNIX socket for the FlexVolume driver's program; `Sources/nacre-flex/AgentConnection.swift` is the client and
/// documents the protocol.
struct FlexSocket: Service {
    typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let path: String
    let driver: FlexDriver
    let logger: Logger

    /// Options are below 4 KiB, and paths have the kernel's limit.
    private static let longestRequestBytes = 64 << 10

    func run() async throws {
        let place = try SocketPlace(path)
        try await place.take()
        defer { place.abandon() }
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(unixDomainSocketPath: place.stagingPath) { channel in
                channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
            }
        try place.publish()
        logger.info("serving kubelet", metadata: ["socket": "\(path)"])
        await cancelWhenGracefulShutdown {
            try? await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await connection in connections { group.addTask { await serve(connection) } }
                }
            }
        }
    }

    /// If a caller disconnects, its operation continues.
    private func serve(_ connection: Connection) async {
        try? await connection.executeThenClose { inbound, outbound in
            var request: [UInt8] = []
            for try await part in inbound {
                request += part.readableBytesView
                guard request.count <= Self.longestRequestBytes else { return }
            }
            let arguments = request.split(separator: 0, omittingEmptySubsequences: false).dropLast()
            let answer = await driver.answer(arguments.map { String(decoding: $0, as: UTF8.self) })
            try await outbound.write(ByteBuffer(bytes: answer.bytes))
        }
    }
}
