internal import ExactText
internal import FoundationEssentials
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

/// An image, by names.
public struct ImageAddress: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The cluster's name here, to tell equal images of two clusters apart.
    public let clusterID: String
    /// The pool.
    public let pool: String
    /// The RADOS namespace; empty for the default one.
    public let namespace: String
    /// The image.
    public let name: String

    /// Names an image.
    public init(clusterID: String, pool: String, namespace: String, name: String) {
        self.clusterID = clusterID
        self.pool = pool
        self.namespace = namespace
        self.name = name
    }

    /// Whether both have the same bytes.
    public static func == (one: Self, other: Self) -> Bool {
        one.clusterID.isExactly(other.clusterID) && one.pool.isExactly(other.pool)
            && one.namespace.isExactly(other.namespace) && one.name.isExactly(other.name)
    }

    /// Feeds the names' bytes.
    public func hash(into hasher: inout Hasher) {
        for part in [clusterID, pool, namespace, name] { hasher.combine(ExactText(part)) }
    }

    /// As Ceph's tools write it: `pool/namespace/image`.
    public var description: String { namespace.isEmpty ? "\(pool)/\(name)" : "\(pool)/\(namespace)/\(name)" }

    /// A file name that is this image's alone: `cluster~pool~namespace~image`, other characters as `%XX`.
    public var fileName: String { Self.fileName(of: "\(clusterID)/\(pool)/\(namespace)/\(name)") }

    /// The file name for a volume's handle.
    public static func fileName(of handle: String) -> String {
        var escaped = ""
        for byte in handle.utf8 {
            switch byte {
            case UInt8(ascii: "/"): escaped += "~"
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                escaped += hex.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
        guard escaped.utf8.count > 200 else { return escaped }
        // FNV-1a: a handle has 128 bytes at most, so only names of many escapes come here.
        let hash = escaped.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return "\(escaped.prefix(180))~\(String(hash, radix: 16))"
    }
}
