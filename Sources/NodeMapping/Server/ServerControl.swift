internal import FoundationEssentials
internal import Glibc
internal import LinuxKernel
internal import RBD

/// Where a server answers questions: a UNIX socket, a word and a line feed in, a line of JSON out.
///
/// | word | answer |
/// | --- | --- |
/// | `statistics` | `IOStatistics` |
/// | `grow` | `{"sizeBytes": …}`, once the device has the image's size, or `{"error": …}` |
enum ServerControl {
    struct Growth: Codable {
        var sizeBytes: UInt64?
        var error: MappingError?
    }

    /// Answers on a thread of its own, one after the other.
    static func start(at path: String, front: any ServerFront) throws(KernelError) {
        let listener = Listener(try OwnedDescriptor.listening(at: path))
        startThread {
            while let connection = try? listener.socket.accept() {
                guard let word = line(of: connection) else { continue }
                try? connection.writeAll(answer(to: word, front) + [UInt8(ascii: "\n")])
            }
        }
    }

    /// Asks the server of a mapping; nothing when none answers.
    static func ask<Answer: Decodable>(_ word: String, at path: String, within seconds: Int = 30) -> Answer? {
        guard let connection = try? OwnedDescriptor.connected(to: path),
            (try? connection.writeAll(Array("\(word)\n".utf8))) != nil
        else { return nil }
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(connection.rawValue, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard let bytes = try? connection.readToEnd() else { return nil }
        return try? JSONDecoder().decode(Answer.self, from: Data(bytes))
    }

    private static func answer(to word: String, _ front: any ServerFront) -> [UInt8] {
        switch word {
        case "grow":
            do throws(MappingError) {
                return json(Growth(sizeBytes: try front.grow()))
            } catch {
                return json(Growth(error: error))
            }
        default: return json(front.engine.statistics)
        }
    }

    private static func json(_ value: some Encodable) -> [UInt8] {
        (try? JSONEncoder().encode(value)).map { Array($0) } ?? []
    }

    private static func line(of connection: borrowing OwnedDescriptor) -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while bytes.count < 64, read(connection.rawValue, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }

    private final class Listener: Sendable {
        let socket: OwnedDescriptor
        init(_ socket: consuming OwnedDescriptor) { self.socket = socket }
    }
}
