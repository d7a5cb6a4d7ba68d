public import BlockDevices
internal import ExactText
public import LinuxKernel

/// The running OSDs of a host: their processes with the devices that they have open, and their admin sockets.
///
/// See: ceph doc/rados/operations/monitoring.rst, "Using the admin socket".
public struct RunningOSDs: Sendable {
    /// What an admin socket said.
    struct Socket: Sendable, Hashable {
        let path: String
        /// The OSD's number, from its answer or from the socket's name.
        let osdID: Int?
        /// The OSD's UUID; `nil` if a process listens but does not answer.
        let osdUUID: String?
    }

    private static let patience = Duration.seconds(1)

    private let openers: [DeviceNumber: [DeviceUse.Opener]]
    private let answers: [Socket]

    /// None.
    public init() { (openers, answers) = ([:], []) }

    init(answers: [Socket]) { (openers, self.answers) = ([:], answers) }

    /// Looks for processes and sockets.
    ///
    /// - Parameters:
    ///   - host: The host.
    ///   - use: Who uses its devices.
    public init(on host: Host, _ use: DeviceUse) {
        openers = use.devices(openIn: "ceph-osd")
        let root = "\(host.run)/ceph"
        // cephadm has a directory for each cluster.
        let directories = [root] + ((try? KernelFile.names(in: root)) ?? []).map { "\(root)/\($0)" }
        let paths = directories.flatMap { directory in
            ((try? KernelFile.names(in: directory)) ?? []).filter {
                $0.contains("osd.") && $0.endsExactly(with: ".asok")
            }
            .map { "\(directory)/\($0)" }
        }
        answers = Threads.run(limit: 16, paths.map { path in { @Sendable in Self.ask(path) } }).compactMap(\.self)
    }

    /// Which OSDs have any of these devices open, in words.
    func processes(on tree: [BlockNode]) -> [String] {
        tree.flatMap { node in
            (openers[node.device] ?? []).map { opener in
                let name = Self.number(inCommand: opener.arguments).map { "osd.\($0)" } ?? "an OSD"
                return "\(name) is up: \(opener.name) (process \(opener.process)) has '\(node.name)' open"
            }
        }.uniqued()
    }

    /// Which of these owners have a socket that answers, or a possible socket that does not answer, in words.
    func sockets(of owners: [OSDOwner]) -> [String] {
        owners.flatMap { owner in
            answers.compactMap { socket -> String? in
                let name = socket.osdID.map { "osd.\($0)" } ?? "an OSD"
                guard let uuid = socket.osdUUID else {
                    guard let id = owner.osdID, id == socket.osdID else { return nil }
                    return "\(name) may be up: something listens on its socket '\(socket.path)' and does not answer"
                }
                return uuid == owner.osdUUID ? "\(name) is up: its socket '\(socket.path)' answers" : nil
            }
        }.uniqued()
    }

    private static func ask(_ path: String) -> Socket? {
        let request = Array(#"{"prefix": "status", "format": "json"}"#.utf8) + [0]
        // A length of four bytes, the most significant first, then the text.
        func length(_ bytes: [UInt8]) -> Int? {
            bytes.count < 4 ? nil : bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
        }
        let answer = try? LocalSocket.ask(path, request, patience: patience) { bytes in
            length(bytes).map { bytes.count >= 4 + $0 } ?? false
        }
        guard let answer else { return nil }
        let text = String(decoding: answer.dropFirst(4), as: UTF8.self)
        let named = path.parts(at: ".", omittingEmpty: true).dropLast().last.flatMap { Int($0) }
        let uuid = field("osd_fsid", of: text).flatMap { GUID(text: $0) }.map { $0.description.lowercased() }
        return Socket(path: path, osdID: field("whoami", of: text).flatMap { Int($0) } ?? named, osdUUID: uuid)
    }

    /// A field of a flat JSON object: the value after its name.
    static func field(_ name: String, of text: String) -> String? {
        guard let place = text.firstRange(of: "\"\(name)\"") else { return nil }
        let rest = text[place.upperBound...].drop { $0.isWhitespace || $0 == ":" || $0 == "\"" }
        return String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" })
    }

    /// `-i 7`, `--id 7`, `--id=7`.
    static func number(inCommand arguments: [String]) -> Int? {
        for (word, next) in zip(arguments, arguments.dropFirst() + [""]) {
            if word == "-i" || word == "--id" { return Int(next) }
            if word.startsExactly(with: "--id=") { return Int(word.dropFirst(5)) }
        }
        return nil
    }
}
