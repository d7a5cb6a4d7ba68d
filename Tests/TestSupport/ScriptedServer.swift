import Glibc
import Synchronization

/// An HTTP/1.1 server on loopback with scripted answers, byte by byte; one request per connection.
public final class ScriptedServer: Sendable {
    /// A client's request.
    public struct Request: Sendable {
        /// `GET`.
        public let method: String
        /// Path and query.
        public let target: String
        /// The headers, names in lower case.
        public let headers: [String: String]
        /// The body.
        public let body: String
    }

    /// The connection to the client.
    public struct Connection: Sendable {
        fileprivate let descriptor: CInt

        /// Sends text unchanged; returns whether the client is still connected.
        @discardableResult
        public func send(_ text: String) -> Bool { send(Array(text.utf8)) }

        /// Sends bytes unchanged; returns whether the client is still connected.
        @discardableResult
        public func send(_ bytes: [UInt8]) -> Bool {
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes { buffer in
                    let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                    return Glibc::send(descriptor, rest.baseAddress, rest.count, CInt(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }

        /// Sends a head without a length: the body ends with the connection.
        @discardableResult
        public func head(_ status: Int, _ headers: [String: String] = [:]) -> Bool {
            let lines = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
            return send("HTTP/1.1 \(status) X\r\nConnection: close\r\n\(lines)\r\n")
        }

        /// Sends a complete answer.
        @discardableResult
        public func answer(_ status: Int, _ body: String, _ headers: [String: String] = [:]) -> Bool {
            head(status, headers.merging(["Content-Length": "\(body.utf8.count)"]) { $1 }) && send(body)
        }

        /// Waits.
        public func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }

        /// Whether the client has hung up.
        public var isClosed: Bool {
            var byte: UInt8 = 0
            return recv(descriptor, &byte, 1, CInt(Int(MSG_PEEK) | Int(MSG_DONTWAIT))) == 0
        }
    }

    /// Handles a request on its own thread; the connection is closed when it returns.
    public typealias Script = @Sendable (Request, Connection) -> Void

    /// Its port.
    public let port: UInt16
    private let listener: CInt
    private let script: Script
    private let log = Mutex<[Request]>([])

    /// It could not listen.
    public struct NotListening: Error {}

    /// Starts it.
    public init(_ script: @escaping Script) throws {
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, pointer, &length) == 0
            }
        }
        guard isBound else { throw NotListening() }
        port = UInt16(bigEndian: address.sin_port)
        self.listener = listener
        self.script = script
        let accepting = Unmanaged.passRetained(Accepting(listener: listener, server: self)).toOpaque()
        var thread = pthread_t()
        pthread_create(&thread, nil, acceptConnections, accepting)
        pthread_detach(thread)
    }

    deinit {
        close(listener)
    }

    /// Stops it: no client can connect any more.
    public func stop() { shutdown(listener, CInt(SHUT_RDWR)) }

    /// `http://127.0.0.1:PORT`.
    public var url: String { "http://127.0.0.1:\(port)" }

    /// All requests so far.
    public var requests: [Request] { log.withLock(\.self) }

    fileprivate func serve(_ descriptor: CInt) {
        defer { close(descriptor) }
        guard let request = Self.read(descriptor) else { return }
        log.withLock { $0.append(request) }
        script(request, Connection(descriptor: descriptor))
    }

    private static func read(_ descriptor: CInt) -> Request? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 {
                var lines = parts[0].split(separator: "\r\n")
                let first = lines.removeFirst().split(separator: " ")
                var headers: [String: String] = [:]
                for line in lines {
                    let pair = line.split(separator: ":", maxSplits: 1)
                    if pair.count == 2 { headers[pair[0].lowercased()] = String(pair[1].drop(while: \.isWhitespace)) }
                }
                let length = headers["content-length"].flatMap { Int($0) } ?? 0
                if parts[1].utf8.count >= length, first.count == 3 {
                    return Request(
                        method: String(first[0]),
                        target: String(first[1]),
                        headers: headers,
                        body: String(parts[1])
                    )
                }
            }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
    }
}

/// The state of the accepting thread; it does not keep the server alive.
private final class Accepting {
    let listener: CInt
    weak var server: ScriptedServer?

    init(listener: CInt, server: ScriptedServer) {
        self.listener = listener
        self.server = server
    }
}

private final class Serving {
    let server: ScriptedServer
    let descriptor: CInt

    init(_ server: ScriptedServer, _ descriptor: CInt) {
        self.server = server
        self.descriptor = descriptor
    }
}

@c
private func acceptConnections(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let accepting = Unmanaged<Accepting>.fromOpaque(context).takeRetainedValue()
    while true {
        let descriptor = accept(accepting.listener, nil, nil)
        guard descriptor >= 0, let server = accepting.server else { return nil }
        let serving = Unmanaged.passRetained(Serving(server, descriptor)).toOpaque()
        var thread = pthread_t()
        pthread_create(&thread, nil, serveConnection, serving)
        pthread_detach(thread)
    }
}

@c
private func serveConnection(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let serving = Unmanaged<Serving>.fromOpaque(context).takeRetainedValue()
    serving.server.serve(serving.descriptor)
    return nil
}
