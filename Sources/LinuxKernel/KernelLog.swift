internal import ExactText
internal import Glibc
internal import SystemPackage

/// The kernel's messages from a moment on: `/dev/kmsg`.
public struct KernelLog: ~Copyable, Sendable {
    private let file: OwnedDescriptor

    /// Listens from now on; `nil` without permission.
    public init?(path: String = "/dev/kmsg") {
        guard let file = try? OwnedDescriptor(opening: path, O_RDONLY | O_NONBLOCK) else { return nil }
        guard lseek(file.rawValue, 0, SEEK_END) >= 0 else { return nil }
        self.file = file
    }

    /// The messages since then, or since the last call, without their prefixes.
    public borrowing func messages() -> [String] {
        var messages: [String] = []
        var record = [UInt8](repeating: 0, count: 8192)
        while messages.count < 1000 {
            let count = read(file.rawValue, &record, record.count)
            // EPIPE: the next record was overwritten; the one after it comes next.
            if count < 0, errno == EINTR || errno == EPIPE { continue }
            guard count > 0 else { break }
            if let message = Self.message(of: String(decoding: record.prefix(count), as: UTF8.self)) {
                messages.append(message)
            }
        }
        return messages
    }

    /// The text of a record: after the first semicolon, up to the line feed; what follows is a dictionary.
    static func message(of record: String) -> String? {
        guard let semicolon = record.firstIndex(of: ";") else { return nil }
        let text = record[record.index(after: semicolon)...]
        return text.parts(at: "\n", most: 1).first
    }
}
