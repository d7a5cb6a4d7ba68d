internal import ExactText

/// The protocols that a monitor may speak at a port.
enum MessengerProtocol: String, Sendable, Hashable {
    /// The old one, usually at port 6789.
    case v1
    /// Messenger v2, since Ceph 14, usually at port 3300; it supports encryption.
    case v2
}

/// A possible address of a monitor: host, port and protocol.
struct MonitorAddress: Sendable, Hashable, CustomStringConvertible {
    let host: String
    let port: UInt16
    /// The protocol in the list of monitors; `nil` if the list does not name it.
    let declared: MessengerProtocol?

    /// In the kernel's form: `10.0.0.1:3300`, `[::1]:3300`.
    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Reads the entries of a `monitors` list as Ceph and ceph-csi write them.
    ///
    /// `10.0.0.1`, `10.0.0.1:6789`, `v2:10.0.0.1:3300/0`, `[v2:10.0.0.1:3300,v1:10.0.0.1:6789]`, `[::1]:3300`. Without
    /// a port, both of Ceph's default ports are meant.
    static func parse(_ monitors: [String]) -> [MonitorAddress] {
        var addresses: [MonitorAddress] = []
        for entry in monitors.flatMap(split) {
            for address in parse(entry) where !addresses.contains(address) { addresses.append(address) }
        }
        return addresses
    }

    /// An entry may contain several addresses, with or without brackets; the brackets of an IPv6 address stay.
    private static func split(_ entry: String) -> [Substring] {
        entry.split { $0 == "," || $0 == ";" || $0 == " " }.map { part in
            var part = part
            if part.startsExactly(with: "[v") { part = part.dropFirst() }
            if part.endsExactly(with: "]"), !part.contains("[") { part = part.dropLast() }
            if part.endsExactly(with: "]]") { part = part.dropLast() }
            return part
        }
    }

    private static func parse(_ entry: Substring) -> [MonitorAddress] {
        var rest = entry
        var declared: MessengerProtocol?
        for candidate in [MessengerProtocol.v1, .v2] where rest.startsExactly(with: "\(candidate.rawValue):") {
            declared = candidate
            rest = rest.dropFirst(3)
        }
        if rest.startsExactly(with: "any:") { rest = rest.dropFirst(4) }
        // The nonce.
        if let slash = rest.lastIndex(of: "/") { rest = rest[..<slash] }
        var host = rest
        var port: Substring?
        if rest.startsExactly(with: "["), let bracket = rest.lastIndex(of: "]") {
            host = rest[rest.index(after: rest.startIndex)..<bracket]
            let after = rest[rest.index(after: bracket)...]
            if after.startsExactly(with: ":") { port = after.dropFirst() }
        } else if let colon = rest.lastIndex(of: ":"), rest.firstIndex(of: ":") == colon {
            host = rest[..<colon]
            port = rest[rest.index(after: colon)...]
        }
        guard !host.isEmpty else { return [] }
        if let port {
            guard let number = UInt16(port), number != 0 else { return [] }
            return [MonitorAddress(host: String(host), port: number, declared: declared)]
        }
        return [(UInt16(3300), MessengerProtocol.v2), (6789, .v1)]
            .filter { declared == nil || $0.1 == declared }
            .map { MonitorAddress(host: String(host), port: $0.0, declared: declared) }
    }
}
