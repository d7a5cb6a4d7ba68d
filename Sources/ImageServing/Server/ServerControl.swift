internal import ExactText
internal import FoundationEssentials
internal import Glibc
internal import ImageIO
internal import ImageMapping
internal import ImageOwnership
internal import LinuxKernel
internal import RBD
internal import Synchronization

/// Where a server answers requests: a UNIX socket; a request is a word and a line feed, an answer is a line of JSON.
///
/// | word | answer |
/// | --- | --- |
/// | `statistics` | `IOStatistics` |
/// | `grow` | `{"sizeBytes": …}`, once the device has the image's size, or `{"error": …}` |
/// | `metadata` | `{"metadata": {…}}`: the image's metadata, or `{"error": …}` |
/// | `change {…}` | the same, once the key of a `MetadataChange` is changed |
/// | `image` | `{"whereabouts": …}`: which image is served and which has its name now, or `{"error": …}` |
/// | `known` | `{"whereabouts": …}`: what `image` was answered last, at once; an answer that is a minute old is asked for anew meanwhile, one of five minutes is not told any more |
/// | `objects FROM TO` | `{"exist": …}`: whether the image has objects in that range, nothing if that takes long to tell, or `{"error": …}` |
enum ServerControl {
    struct Notes: Codable {
        var metadata: [String: String]?
        var error: MappingError?
    }

    struct Objects: Codable {
        var exist: Bool?
        var error: MappingError?
    }

    struct Place: Codable {
        var whereabouts: ImageWhereabouts?
        var error: MappingError?
        /// Another one is being answered: while the cluster is away, one thread waits for it, not one for each question.
        var isBusy: Bool?
    }

    struct Growth: Codable {
        var sizeBytes: UInt64?
        var error: MappingError?
    }

    /// Answers on its own thread, one request after the other; requests that need the cluster get a thread each.
    static func start(at path: String, front: any ServerFront, notes: ImageNotes) throws(KernelError) {
        let listener = Listener(try OwnedDescriptor.listening(at: path))
        startThread {
            while let accepted = try? listener.socket.accept() {
                // Who connects and says nothing, a process that was stopped, must not keep the others waiting.
                var limit = timeval(tv_sec: 2, tv_usec: 0)
                setsockopt(accepted.rawValue, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                guard let words = line(of: accepted) else { continue }
                let connection = Listener(accepted)
                let reply: @Sendable () -> Void = {
                    try? connection.socket.writeAll(answer(to: words, front, notes) + [UInt8(ascii: "\n")])
                }
                if ["statistics", "known"].contains(words) { reply() } else { startThread(reply) }
            }
        }
    }

    /// Asks the server of a mapping; `nil` if none answers.
    static func ask<Answer: Decodable>(_ word: String, at path: String, within seconds: Int = 30) -> Answer? {
        guard let connection = try? OwnedDescriptor.connected(to: path, within: seconds),
            (try? connection.writeAll(Array("\(word)\n".utf8))) != nil,
            let bytes = try? connection.readToEnd()
        else { return nil }
        return try? JSONDecoder().decode(Answer.self, from: Data(bytes))
    }

    /// Asks the server of a mapping for its image's metadata.
    static func notes(_ words: String, of image: ImageAddress, at path: String) throws(MappingError) -> [String: String]
    {
        guard let answer: Notes = ask(words, at: path) else {
            throw silence(image, "what is written on the image")
        }
        if let error = answer.error { throw error }
        guard let metadata = answer.metadata else {
            throw MappingError(
                .unavailable,
                "the server of image \(image) is of an earlier version and cannot say what is written on the image; stage its "
                    + "volume again"
            )
        }
        return metadata
    }

    /// Makes the server of a mapping change its image's metadata.
    static func apply(_ change: MetadataChange, of image: ImageAddress, at path: String) throws(MappingError) {
        _ = try notes("change \(String(decoding: json(change), as: UTF8.self))", of: image, at: path)
    }

    /// Asks the server of a mapping whether its image has objects in a range; a server of an earlier version cannot tell.
    static func holdsObjects(
        in range: Range<UInt64>,
        of image: ImageAddress,
        at path: String
    ) throws(MappingError) -> Bool? {
        guard let answer: Objects = ask("objects \(range.lowerBound) \(range.upperBound)", at: path, within: 120) else {
            throw silence(image, "whether the image has objects")
        }
        if let error = answer.error { throw error }
        return answer.exist
    }

    /// Asks the server of a mapping which image it has and which has its name; `nil` if it is of an earlier version.
    static func whereabouts(
        of image: ImageAddress,
        at path: String,
        within seconds: Int
    ) throws(MappingError) -> ImageWhereabouts? {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let left = Int((deadline - .now).components.seconds) + 1
            guard let answer: Place = ask("image", at: path, within: left), answer.isBusy != true else {
                guard .now < deadline else { break }
                // Its predecessor has just died, or it is asked by another one.
                usleep(100_000)
                continue
            }
            if let error = answer.error { throw error }
            return answer.whereabouts
        }
        throw silence(image, "which image it has")
    }

    private static func silence(_ image: ImageAddress, _ what: String) -> MappingError {
        MappingError(
            .unavailable,
            "the server of image \(image) does not say \(what); it is stopped, or its cluster does not answer"
        )
    }

    private static let isLookingUp = Atomic(false)
    private static let last = Mutex<(found: ImageWhereabouts, at: ContinuousClock.Instant)?>(nil)

    private static func whereabouts(_ notes: ImageNotes) -> Place {
        guard !isLookingUp.exchange(true, ordering: .sequentiallyConsistent) else { return Place(isBusy: true) }
        defer { isLookingUp.store(false, ordering: .sequentiallyConsistent) }
        do throws(MappingError) {
            let found = try notes.whereabouts()
            last.withLock { $0 = (found, .now) }
            return Place(whereabouts: found)
        } catch {
            return Place(error: error)
        }
    }

    private static func known(_ notes: ImageNotes) -> Place {
        let last = last.withLock { $0 }
        if last.map({ $0.at + .seconds(60) < .now }) ?? true { startThread { _ = whereabouts(notes) } }
        // While the cluster is away nobody knows whether an older one still holds.
        return Place(whereabouts: last.flatMap { $0.at + .seconds(300) < .now ? nil : $0.found })
    }

    private static func answer(to words: String, _ front: any ServerFront, _ notes: ImageNotes) -> [UInt8] {
        switch words.prefix(while: { $0 != " " }) {
        case "metadata", "change":
            do throws(MappingError) {
                let change = Data(words.utf8.drop { $0 != UInt8(ascii: " ") })
                if let change = try? JSONDecoder().decode(MetadataChange.self, from: change) {
                    try notes.apply(change)
                }
                return json(Notes(metadata: try notes.metadata()))
            } catch {
                return json(Notes(error: error))
            }
        case "image": return json(whereabouts(notes))
        case "known": return json(known(notes))
        case "objects":
            let ends = words.parts(at: " ").compactMap { UInt64($0) }
            guard ends.count == 2, ends[0] <= ends[1] else { return json(Objects()) }
            do throws(MappingError) {
                return json(Objects(exist: try notes.holdsObjects(in: ends[0]..<ends[1])))
            } catch {
                return json(Objects(error: error))
            }
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
        while bytes.count < 4096, read(connection.rawValue, &byte, 1) == 1 {
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
