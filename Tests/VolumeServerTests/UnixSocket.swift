import Glibc
import Testing

/// A raw socket, for bytes that no HTTP client would send.
enum UnixSocket {
    static func open() -> Int32? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        return descriptor < 0 ? nil : descriptor
    }

    static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Sends `parts` with pauses between them, and returns the received bytes when the server closes or after 10 s.
    static func exchange(
        _ path: String,
        _ parts: [String],
        pause: Duration = .zero,
        halfClose: Bool = false
    ) async throws -> String {
        let descriptor = try #require(open())
        defer { close(descriptor) }
        try #require(withAddress(path) { connect(descriptor, $0, $1) } == 0)
        for part in parts {
            let bytes = Array(part.utf8)
            // The server may have closed already; its earlier answer counts.
            if send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0 { break }
            try await Task.sleep(for: pause)
        }
        if halfClose { shutdown(descriptor, Int32(SHUT_WR)) }
        var answer: [UInt8] = []
        let deadline = ContinuousClock.now + .seconds(120)
        var buffer = [UInt8](repeating: 0, count: 4096)
        while .now < deadline {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                answer += buffer[..<count]
            } else if count == 0 || errno != EAGAIN {
                return String(decoding: answer, as: UTF8.self)
            } else {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
        Issue.record("the server did not close the connection within 120 s")
        return String(decoding: answer, as: UTF8.self)
    }
}
