internal import ExactText
internal import FoundationEssentials
package import LinuxKernel

/// The files of one mapping: `<state>/mappings/<image>/`.
package struct MappingDirectory: Sendable, Hashable, Codable {
    /// Its path.
    package let path: String

    /// Names it by its path.
    package init(path: String) { self.path = path }

    /// The state directory that it is in.
    package var stateDirectory: String {
        path.parts(at: "/").dropLast(2).joined(separator: "/")
    }
    /// Which image and how, written before anything is done.
    package var record: String { "\(path)/record.json" }
    /// The server's identity and its keeper's, written by themselves.
    package var server: String { "\(path)/server.json" }
    /// Locked as long as the server or its keeper lives.
    package var lock: String { "\(path)/lock" }
    /// Where the server answers questions.
    package var control: String { "\(path)/control" }
    /// What the server says.
    package var log: String { "\(path)/server.log" }
    /// Why the server does not move, as long as it does not; the keeper's words.
    package var stall: String { "\(path)/stall" }
    /// Where the FUSE file system is mounted.
    package var mountPoint: String { "\(path)/mount" }
    /// The image as a file.
    package var imageFile: String { "\(mountPoint)/image" }
}

extension MappingDirectory {
    /// Its files, in the order in which they are removed.
    ///
    /// The record goes last: as long as it is there, someone knows that something may be left.
    private var files: [String] { [control, stall, log, server, lock, record] }

    /// Removes all of it once nothing is served from it.
    package func remove() throws(KernelError) {
        try KernelFile.removeDirectory(mountPoint)
        for file in files {
            try KernelFile.remove(file)
            try KernelFile.remove("\(file).new")
        }
        try KernelFile.removeDirectory(path)
    }
}

/// What is written down before an image is mapped.
package struct MappingRecord: Codable, Sendable {
    package let version: Int
    package let image: ImageAddress
    package let sharing: ImageSharing
    /// Which mapper has it; nothing in the records of a version that had only `fuse`.
    package var mapper: MapperKind?
    /// The image itself; nothing until it is known, and in the records of a version that did not write it.
    package var identity: ImageIdentity?

    package init(
        version: Int,
        image: ImageAddress,
        sharing: ImageSharing,
        mapper: MapperKind?,
        identity: ImageIdentity? = nil
    ) {
        (self.version, self.image, self.sharing, self.mapper) = (version, image, sharing, mapper)
        self.identity = identity
    }
}

/// What a server writes down of itself before it does anything else.
package struct ServerRecord: Codable, Sendable {
    package let process: ProcessIdentity
    /// The process that starts a new server when this one dies.
    package var keeper: ProcessIdentity?
    /// Its addresses in the cluster, for its successor to break its lock; nothing before it is connected.
    package var addresses: String?
    /// The nbd device that it serves.
    package var device: NBDDevice?
    /// Who connected it: how a kernel that notes no backend knows it.
    package var connector: Int32?

    package init(
        process: ProcessIdentity,
        keeper: ProcessIdentity?,
        addresses: String?,
        device: NBDDevice? = nil,
        connector: Int32? = nil
    ) {
        self.process = process
        self.keeper = keeper
        self.addresses = addresses
        self.device = device
        self.connector = connector
    }
}

extension MappingRecord {
    /// The record in a directory; nothing when there is none that can be read.
    package static func read(_ directory: MappingDirectory) -> MappingRecord? {
        guard let bytes = try? KernelFile.bytes(directory.record) else { return nil }
        return try? JSONDecoder().decode(MappingRecord.self, from: Data(bytes))
    }

    /// Writes down which image it is, where that was not known; fine when nothing is recorded.
    package static func note(_ identity: ImageIdentity, in directory: MappingDirectory) throws(KernelError) {
        guard var record = read(directory), record.identity == nil else { return }
        record.identity = identity
        try record.write(directory)
    }

    package func write(_ directory: MappingDirectory) throws(KernelError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        let bytes = (try? encoder.encode(self)).map { Array($0) } ?? []
        try KernelFile.replace(directory.record, with: bytes)
    }
}
