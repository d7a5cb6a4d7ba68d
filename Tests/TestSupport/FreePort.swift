internal import Glibc
internal import Synchronization

/// Ports of this machine for the servers of tests.
public enum FreePort {
    /// Below those of `tools/micro-cluster` and `tools/kube-lab`, which own blocks from 21000 on, also of daemons that are down, and
    /// below Linux's range for outgoing connections.
    private static let range: ClosedRange<UInt16> = 10_000...19_999

    /// Those that a test of this process has got.
    private static let given = Mutex<Set<UInt16>>([])

    /// There is none.
    public struct NoneFree: Error {}

    /// A port on which nobody listens, and that no other test of this process gets.
    ///
    /// - Returns: The port.
    /// - Throws: `NoneFree`.
    public static func next() throws -> UInt16 {
        for _ in 0..<10_000 {
            let port = UInt16.random(in: range)
            guard given.withLock({ $0.insert(port).inserted }) else { continue }
            if isFree(port) { return port }
        }
        throw NoneFree()
    }

    /// Whether the kernel gives the port to a socket that insists on its own, on all addresses.
    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
