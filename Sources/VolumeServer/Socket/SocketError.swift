internal import Glibc

/// Why the service's socket cannot be had.
package struct SocketError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One sentence for a person.
    package let description: String

    init(_ description: String) {
        self.description = description
    }

    /// States what a call of the C library said.
    init(_ deed: String, call: String, errno code: Int32) {
        description = "cannot \(deed) (\(call): \(String(cString: strerror(code))))"
    }
}
