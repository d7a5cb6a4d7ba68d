internal import ExactText

/// The spellings of a client's address.
public enum ClientAddress {
    /// Brings an address to the form of watches and blocklists, `10.0.0.7:0/123456`.
    ///
    /// Locks have it as `v1:10.0.0.7:0/123456`, lists of addresses as `[v2:10.0.0.7:0/123456,v1:10.0.0.7:0/123456]`.
    /// The protocol in front does not identify a client: a client binds no port and uses one nonce for both protocols.
    public static func plain(_ text: String) -> String {
        var rest = text[...]
        // Brackets around a list; those of an IPv6 address come behind the protocol, or before a digit.
        if rest.startsExactly(with: "[v"), rest.endsExactly(with: "]") { rest = rest.dropFirst().dropLast() }
        if let comma = rest.firstIndex(of: ",") { rest = rest[..<comma] }
        return String(["v1:", "v2:"].contains { rest.startsExactly(with: $0) } ? rest.dropFirst(3) : rest)
    }
}
