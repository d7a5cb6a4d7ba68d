internal import FoundationEssentials
public import Secrets
public import Volumes

/// The service's own user, for what comes without a Secret: lists, capacity, conditions, health, the trash.
///
/// A directory with the files `userID` and `userKey`, as Kubernetes mounts a ceph-csi Secret; read at every use, so that a
/// rotated key takes effect without a restart.
public struct ServiceCredentials: Sendable {
    private let directory: String?

    /// Whether the service has a user of its own.
    var isGiven: Bool { directory != nil }

    /// Names the directory; without one the service has no user of its own.
    public init(directory: String?) {
        self.directory = directory
    }

    /// Reads user and key.
    ///
    /// Throws `.failedPrecondition` when there is no directory, or a file in it is missing or empty.
    public func read() throws(VolumeError) -> Credentials {
        guard let directory else {
            throw VolumeError(
                .failedPrecondition,
                "the service has no Ceph user of its own; start it with --secret-dir to list, measure and watch volumes"
            )
        }
        let userID = String(decoding: try bytes(of: "userID", in: directory), as: UTF8.self)
        return Credentials(userID: userID, userKey: Secret(try bytes(of: "userKey", in: directory)))
    }

    private func bytes(of name: String, in directory: String) throws(VolumeError) -> [UInt8] {
        let path = "\(directory)/\(name)"
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw VolumeError(.failedPrecondition, "cannot read '\(path)'; the service's Secret must have it")
        }
        let bytes = Array(data.prefix { $0 != 0x0A && $0 != 0x0D && $0 != 0x20 })
        guard !bytes.isEmpty else {
            throw VolumeError(.failedPrecondition, "'\(path)' is empty; the service's Secret must hold it")
        }
        return bytes
    }
}
