internal import Glibc
internal import SystemPackage

/// A request to a server on a local socket, and its answer.
public enum LocalSocket {
    /// Connects, sends, and reads until the answer is complete.
    ///
    /// See: unix(7).
    ///
    /// - Parameters:
    ///   - path: The socket.
    ///   - request: What to send.
    ///   - patience: How long each call may wait.
    ///   - isWhole: Whether the received bytes are the complete answer; the server may keep the connection open.
    /// - Returns: The bytes received until then, until the server closed, or until the time limit.
    /// - Throws: `KernelError` if there is no server: ECONNREFUSED, ENOENT.
    public static func ask(
        _ path: String,
        _ request: [UInt8],
        patience: Duration,
        until isWhole: ([UInt8]) -> Bool
    ) throws(KernelError) -> [UInt8] {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let raw = try checked("socket", path, socket(AF_UNIX, kind, 0))
        let connection = OwnedDescriptor(adopting: raw, subject: path)
        let (seconds, attoseconds) = patience.components
        var limit = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(raw, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else { throw KernelError("connect", .fileNameTooLong, path) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try checked("connect", path, result)
        guard send(raw, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return [] }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        let deadline = ContinuousClock.now + patience
        while !isWhole(answer), answer.count < 1 << 20, .now < deadline {
            let count = recv(connection.rawValue, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            answer += chunk[..<count]
        }
        return answer
    }
}
