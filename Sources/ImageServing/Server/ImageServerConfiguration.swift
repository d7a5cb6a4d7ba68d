internal import ExactText
internal import FoundationEssentials
internal import ImageMapping
internal import ImageOwnership
internal import LinuxKernel
internal import RADOS
internal import Secrets
internal import SystemPackage

/// What an image server is told by its parent, but for the key, which follows it in the pipe.
struct ImageServerConfiguration: Codable, Sendable {
    /// Which image.
    let image: ImageAddress
    /// Where its cluster's monitors are.
    let monitors: [String]
    /// The user, without `client.`.
    let userID: String
    /// Who else may use the image.
    let sharing: ImageSharing
    /// Which node we are on, for others to know who has the image.
    let node: NodeIdentity
    /// The mapping's directory.
    let directory: MappingDirectory
    /// Which cgroups the server goes to.
    let placement: ServerPlacement
    /// Addresses of a server of ours that has died, whose lock may be broken.
    var predecessor: String?
    /// By which of the kernel's doors the image is served.
    let front: ServerFrontKind
    /// The server that the new process shall keep, where it stands for a keeper that was killed; else it starts one.
    var adopted: AdoptedServer?

    /// The addresses of that server and of those before it.
    var dead: [String] {
        (predecessor ?? "").parts(at: " ", omittingEmpty: true).map { ClientAddress.plain(String($0)) }
    }

    /// Whether the image is only read.
    var isReadOnly: Bool { sharing.isReadOnly }

    /// Tells a process that was started all of it and the key: arguments and environment can be seen by others.
    ///
    /// Does not block: it fits into a pipe, a configuration is far below 64 KiB.
    func write(with key: Secret, to pipe: borrowing OwnedDescriptor) throws(KernelError) {
        guard let text = try? JSONEncoder().encode(self) else {
            throw KernelError("encode", .invalidArgument, "configuration")
        }
        try pipe.writeAll(Array(text) + [UInt8(ascii: "\n")])
        try key.withBytes { (bytes) throws(KernelError) in try pipe.writeAll(bytes) }
    }
}

/// A server whose keeper was killed.
struct AdoptedServer: Codable, Sendable {
    let process: ProcessIdentity
    /// The first keeper, after which the share of the holder's lock is named.
    let firstKeeper: ProcessIdentity
    let hasFuseConnection: Bool
}

/// By which of the kernel's doors an image is served.
enum ServerFrontKind: Codable, Sendable, Hashable {
    /// As a file.
    case fuse
    /// As a network block device, with this many connections.
    case nbd(connections: Int)

    /// The mapper's name.
    var name: String {
        switch self {
        case .fuse: "fuse"
        case .nbd: "nbd"
        }
    }
}

/// What an image server tells its parent, once.
enum ImageServerReport: Codable, Sendable {
    /// The file is there.
    case ready
    /// It will not be.
    case failed(MappingError)
}
