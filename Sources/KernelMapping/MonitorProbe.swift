internal import ExactText
internal import Glibc

/// Asks monitors for their protocol, which the kernel does not do: with the wrong one it waits for a minute.
///
/// A monitor sends its banner to every client that connects: `ceph v2\n` or `ceph v027`.
struct MonitorProbe: Sendable {
    /// What came of one address.
    struct Answer: Sendable, Hashable {
        /// Where; the host is a number now.
        let address: MonitorAddress
        /// What it speaks, or why that is not known.
        let outcome: Outcome
    }

    enum Outcome: Sendable, Hashable {
        case speaks(MessengerProtocol)
        case failed(String)
    }

    /// How long all of them together may take.
    var limit = Duration.seconds(3)

    /// Connects to all at once; ends when all have answered or failed, or at the time limit.
    func ask(_ addresses: [MonitorAddress]) -> [Answer] {
        var attempts = addresses.flatMap(Attempt.start)
        defer { for attempt in attempts { attempt.close() } }
        let deadline = ContinuousClock.now + limit
        while attempts.contains(where: \.isOpen) {
            let left = deadline - .now
            guard left > .zero else { break }
            var entries = attempts.map {
                pollfd(fd: $0.isOpen ? $0.descriptor : -1, events: Int16($0.isConnected ? POLLIN : POLLOUT), revents: 0)
            }
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1
            guard poll(&entries, nfds_t(entries.count), CInt(milliseconds)) >= 0 || errno == EINTR else { break }
            for index in attempts.indices where entries[index].revents != 0 { attempts[index].proceed() }
        }
        return attempts.map { attempt in
            let outcome = attempt.outcome ?? .failed("no answer in \(limit.components.seconds) s")
            return Answer(address: attempt.address, outcome: outcome)
        }
    }
}

private struct Attempt {
    let address: MonitorAddress
    var descriptor: CInt
    var isConnected = false
    var received: [UInt8] = []
    var outcome: MonitorProbe.Outcome?

    var isOpen: Bool { outcome == nil }

    /// Starts a connection to every address of the host name.
    static func start(_ address: MonitorAddress) -> [Attempt] {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(address.host, "\(address.port)", &hints, &list)
        guard status == 0, let list else {
            let reason = String(cString: gai_strerror(status))
            return [Attempt(address: address, descriptor: -1, outcome: .failed("cannot be resolved: \(reason)"))]
        }
        defer { freeaddrinfo(list) }
        return sequence(first: list, next: { $0.pointee.ai_next }).map { start(address, $0.pointee) }
    }

    private static func start(_ address: MonitorAddress, _ found: addrinfo) -> Attempt {
        let flags = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        getnameinfo(found.ai_addr, found.ai_addrlen, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
        let numeric = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var attempt = Attempt(
            address: MonitorAddress(host: numeric, port: address.port, declared: address.declared),
            descriptor: socket(found.ai_family, flags, 0)
        )
        guard attempt.descriptor >= 0 else {
            attempt.fail(errno)
            return attempt
        }
        if connect(attempt.descriptor, found.ai_addr, found.ai_addrlen) != 0, errno != EINPROGRESS {
            attempt.fail(errno)
        }
        return attempt
    }

    mutating func proceed() {
        if !isConnected {
            var error: CInt = 0
            var length = socklen_t(MemoryLayout<CInt>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
            guard error == 0 else { return fail(error) }
            isConnected = true
            return
        }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else {
            outcome = .failed("it closes the connection; it is no monitor")
            return
        }
        received += buffer.prefix(count)
        guard received.count >= 8 else { return }
        let banner = String(decoding: received.prefix(8), as: UTF8.self)
        switch banner {
        case "ceph v2\n": outcome = .speaks(.v2)
        case _ where banner.startsExactly(with: "ceph v0"): outcome = .speaks(.v1)
        default: outcome = .failed("it does not greet as a monitor does")
        }
    }

    private mutating func fail(_ error: CInt) {
        outcome = .failed(String(cString: strerror(error)).lowercased())
    }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }
}
