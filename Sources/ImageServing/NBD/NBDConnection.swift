internal import Glibc
internal import ImageIO
internal import LinuxKernel
internal import RBD

/// One connection to the kernel: reads requests, passes them to the engine and answers them.
///
/// Safe to send: only the reader thread uses the buffer and its bounds.
final class NBDConnection: @unchecked Sendable {
    /// How it ended.
    enum Ending {
        /// The kernel said that the device ends.
        case disconnected
        /// The kernel has closed it, or sent an invalid request.
        case lost
    }

    private let socket: OwnedDescriptor
    private let engine: ImageIOEngine
    private let longestTransfer: Int
    private let replies: NBDReplies
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: bufferSize, alignment: 4096)
    private var begin = 0
    private var end = 0

    /// Many small requests come with one call.
    private static let bufferSize = 256 << 10

    init(socket: consuming OwnedDescriptor, engine: ImageIOEngine, longestTransfer: Int) {
        replies = NBDReplies(socket: socket.rawValue, engine: engine)
        self.socket = socket
        self.engine = engine
        self.longestTransfer = longestTransfer
    }

    deinit {
        buffer.deallocate()
    }

    /// The connection's id in its requests; connections are kept for the life of the process.
    private var owner: UInt { UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()) }

    /// Answers a request that has ended.
    static func answer(_ request: IORequest) {
        guard let pointer = UnsafeRawPointer(bitPattern: request.owner) else { return }
        Unmanaged<NBDConnection>.fromOpaque(pointer)._withUnsafeGuaranteedRef { $0.replies.add(request) }
    }

    /// Reads and does requests until the connection ends.
    func serve() -> Ending {
        let ending = serveUntilEnd()
        // After an invalid request the connection is closed, for the kernel too.
        shutdown(socket.rawValue, CInt(SHUT_RDWR))
        return ending
    }

    private func serveUntilEnd() -> Ending {
        while true {
            guard let bytes = receive(NBDProtocol.requestBytes) else { return .lost }
            guard let request = NBDProtocol.Request(bytes) else { return .lost }
            begin += NBDProtocol.requestBytes
            switch request.command {
            case .read?: ask(.read, request)
            case .write?: guard write(request) else { return .lost }
            case .flush?: ask(.flush, request)
            case .trim?: ask(.discard, request)
            case .writeZeroes?: ask(.zero, request)
            case .disconnect?: return .disconnected
            case nil: refuse(request)
            }
        }
    }

    private func ask(_ kind: IOKind, _ request: NBDProtocol.Request) {
        guard kind != .read || request.length <= UInt32(longestTransfer) else { return refuse(request) }
        let length = kind == .flush ? 0 : UInt64(request.length)
        _ = engine.submit(
            engine.take(kind, offset: request.offset, length: length, owner: owner, tag: request.handle)
        )
    }

    private func write(_ request: NBDProtocol.Request) -> Bool {
        var left = Int(request.length)
        guard left <= longestTransfer else { return false }
        let written = engine.take(
            .write,
            offset: request.offset,
            length: UInt64(left),
            owner: owner,
            tag: request.handle
        )
        var place = written.buffer
        let buffered = min(left, end - begin)
        place.copyMemory(from: buffer + begin, byteCount: buffered)
        begin += buffered
        left -= buffered
        place += buffered
        while left > 0 {
            let count = recv(socket.rawValue, place, left, CInt(MSG_WAITALL))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                engine.release(written)
                return false
            }
            left -= count
            place += count
        }
        if case .acknowledged = engine.submit(written, isDurable: request.isDurable) {
            replies.acknowledge(request.handle)
        }
        return true
    }

    private func refuse(_ request: NBDProtocol.Request) {
        let refused = engine.take(.flush, offset: 0, length: 0, owner: owner, tag: request.handle)
        engine.refuse(refused, errno: EINVAL)
    }

    /// At least `count` bytes from the kernel; `nil` if the connection has ended.
    private func receive(_ count: Int) -> UnsafeRawPointer? {
        if end - begin < count {
            // All pending answers must be sent before the thread waits.
            replies.sendAll()
            if begin > 0 { memmove(buffer, buffer + begin, end - begin) }
            (begin, end) = (0, end - begin)
        }
        while end - begin < count {
            let received = recv(socket.rawValue, buffer + end, Self.bufferSize - end, 0)
            if received < 0, errno == EINTR { continue }
            guard received > 0 else { return nil }
            end += received
        }
        return UnsafeRawPointer(buffer + begin)
    }
}
