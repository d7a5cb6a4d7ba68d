internal import LinuxKernel

/// The files of one mapping: `<state>/mappings/<image>/`.
struct MappingDirectory: Sendable, Hashable, Codable {
    /// Its path.
    let path: String

    /// Which image and how, written before anything is done.
    var record: String { "\(path)/record.json" }
    /// The server's identity, written by itself.
    var server: String { "\(path)/server.json" }
    /// Locked by the server as long as it lives.
    var lock: String { "\(path)/lock" }
    /// What the server says.
    var log: String { "\(path)/server.log" }
    /// Where the FUSE file system is mounted.
    var mountPoint: String { "\(path)/mount" }
    /// The image as a file.
    var imageFile: String { "\(mountPoint)/image" }
}

/// What is written down before an image is mapped.
struct MappingRecord: Codable, Sendable {
    let version: Int
    let image: ImageAddress
    let sharing: ImageSharing
}

/// What a server writes down of itself before it does anything else.
struct ServerRecord: Codable, Sendable {
    let process: ProcessIdentity
    /// Its addresses in the cluster, for its successor to break its lock; nothing before it is connected.
    var addresses: String?
}
