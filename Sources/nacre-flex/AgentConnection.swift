import Glibc

/// The node agent behind its UNIX socket: one request and one answer for each connection.
///
/// | direction | bytes |
/// | --- | --- |
/// | to the agent | each argument, closed by NUL; then the end of the stream |
/// | from the agent | `0` or `1`, the exit status; the object for kubelet; then the end of the stream |
struct AgentConnection {
    /// The agent's own limit is shorter, and it says what it waits for; kubelet has no limit.
    static let limitSeconds = 110

    /// Where agents serve.
    static let usualPath = "/run/nacre/flex.sock"

    /// An address takes 107 bytes and a NUL.
    private static let longestPathBytes = 107

    let path: String

    /// The agent whose socket the file `.socket` beside this program names, else the default one.
    ///
    /// kubelet ignores files whose names start with a dot, and probes the driver again for all others.
    static func ofThisHost() -> AgentConnection {
        let program = programPath()
        guard let slash = program.lastIndex(of: UInt8(ascii: "/")) else { return AgentConnection(path: usualPath) }
        let file = String(decoding: program[...slash], as: UTF8.self) + ".socket"
        let named = contents(of: file).split(separator: UInt8(ascii: "\n")).first.map {
            String(decoding: $0, as: UTF8.self)
        }
        return AgentConnection(path: named ?? usualPath)
    }

    /// Sends the arguments and returns the agent's answer.
    func call(_ arguments: [[UInt8]]) -> Answer {
        guard path.utf8.count <= Self.longestPathBytes else {
            return .failure("cannot reach the node agent: the path of its socket, '\(path)', is longer than an address")
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return failure("socket") }
        guard connect(descriptor) else {
            guard errno == ENOENT || errno == ECONNREFUSED else { return failure("connect") }
            return .failure(
                """
                the node agent does not run on this node: nobody serves '\(path)'; look at it: kubectl get pods \
                --all-namespaces --selector app.kubernetes.io/component=nacre-node --output wide
                """
            )
        }
        let request = arguments.flatMap { (argument) -> [UInt8] in argument + [0] }
        guard send(request, to: descriptor), shutdown(descriptor, Int32(SHUT_WR)) == 0 else {
            return failure("send")
        }
        return receive(from: descriptor)
    }

    private func connect(_ descriptor: Int32) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private func send(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0 {
                guard errno == EINTR else { return false }
                continue
            }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private func receive(from descriptor: Int32) -> Answer {
        let end = Self.now() + Self.limitSeconds
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let left = end - Self.now()
            guard left > 0, poll(&waiting, 1, Int32(left * 1000)) != 0 else {
                return .failure(
                    "the node agent has not answered for \(Self.limitSeconds) s; it goes on, and the next try joins it"
                )
            }
            let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            guard count >= 0 else {
                guard errno == EINTR else { return failure("recv") }
                continue
            }
            guard count > 0 else { break }
            answer += buffer[..<count]
        }
        guard let first = answer.first, answer.count > 1 else {
            return .failure("the node agent ended before it answered; the next try takes up what it began")
        }
        return Answer(json: Array(answer.dropFirst()), status: first == UInt8(ascii: "0") ? 0 : 1)
    }

    private func failure(_ call: String) -> Answer {
        .failure("cannot talk to the node agent at '\(path)' (\(call): \(String(cString: strerror(errno))))")
    }

    private static func programPath() -> [UInt8] {
        var path = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = path.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink("/proc/self/exe", $0, bytes.count) } ?? 0
        }
        return Array(path.prefix(max(0, count)))
    }

    private static func contents(of path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: longestPathBytes + 2)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return Array(bytes.prefix(max(0, count)))
    }

    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }
}
