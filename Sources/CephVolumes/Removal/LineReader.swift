internal import Glibc

/// Reads lines from a descriptor; blocks until one is complete.
struct LineReader {
    private let descriptor: CInt
    private var bytes: [UInt8] = []
    private var searched = 0
    private var hasEnded = false

    init(_ descriptor: CInt) { self.descriptor = descriptor }

    /// The next line without its end; `nil` at the end of the input.
    mutating func next() -> [UInt8]? {
        while true {
            if let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer {
                    bytes.removeFirst(end + 1)
                    searched = 0
                }
                return Array(bytes[..<end])
            }
            searched = bytes.count
            guard !hasEnded else { return nil }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { hasEnded = true }
            bytes += chunk.prefix(max(0, count))
        }
    }
}
