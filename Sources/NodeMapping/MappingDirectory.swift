internal import ExactText
internal import FoundationEssentials
internal import LinuxKernel

/// The files of one mapping: `<state>/mappings/<image>/`.
struct MappingDirectory: Sendable, Hashable, Codable {
    /// Its path.
    let path: String

    /// The state directory that it is in.
    var stateDirectory: String {
        path.parts(at: "/").dropLast(2).joined(separator: "/")
    }
    /// Which image and how, written before anything is done.
    var record: String { "\(path)/record.json" }
    /// The server's identity and its keeper's, written by themselves.
    var server: String { "\(path)/server.json" }
    /// Locked as long as the server or its keeper lives.
    var lock: String { "\(path)/lock" }
    /// Where the server answers questions.
    var control: String { "\(path)/control" }
    /// What the server says.
    var log: String { "\(path)/server.log" }
    /// Why the server does not move, as long as it does not; the keeper's words.
    var stall: String { "\(path)/stall" }
    /// Where the FUSE file system is mounted.
    var mountPoint: String { "\(path)/mount" }
    /// The image as a file.
    var imageFile: String { "\(mountPoint)/image" }
}

extension MappingDirectory {
    /// Its files, in the order in which they are removed.
    ///
    /// The record goes last: as long as it is there, someone knows that something may be left.
    private var files: [String] { [control, stall, log, server, lock, record] }

    /// Removes all of it once nothing is served from it.
    func remove() throws(KernelError) {
        try KernelFile.removeDirectory(mountPoint)
        for file in files {
            try KernelFile.remove(file)
            try KernelFile.remove("\(file).new")
        }
        try KernelFile.removeDirectory(path)
    }
}

/// What is written down before an image is mapped.
struct MappingRecord: Codable, Sendable {
    let version: Int
    let image: ImageAddress
    let sharing: ImageSharing
    /// Which mapper has it; nothing in the records of a version that had only `fuse`.
    var mapper: MapperKind?
}

/// What a server writes down of itself before it does anything else.
struct ServerRecord: Codable, Sendable {
    let process: ProcessIdentity
    /// The process that starts a new server when this one dies.
    var keeper: ProcessIdentity?
    /// Its addresses in the cluster, for its successor to break its lock; nothing before it is connected.
    var addresses: String?
    /// The nbd device that it serves.
    var device: NBDDevice?
    /// Who connected it: how a kernel that notes no backend knows it.
    var connector: Int32?
}

extension MappingRecord {
    /// The record in a directory; nothing when there is none that can be read.
    static func read(_ directory: MappingDirectory) -> MappingRecord? {
        guard let bytes = try? KernelFile.bytes(directory.record) else { return nil }
        return try? JSONDecoder().decode(MappingRecord.self, from: Data(bytes))
    }

    func write(_ directory: MappingDirectory) throws(KernelError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        let bytes = (try? encoder.encode(self)).map { Array($0) } ?? []
        try KernelFile.replace(directory.record, with: bytes)
    }
}
