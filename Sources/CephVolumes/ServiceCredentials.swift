internal import FoundationEssentials
public import Secrets
public import Volumes

/// The service's own user, for calls without a Secret: lists, capacity, conditions, health, the trash.
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
    /// Throws `.failedPrecondition` if there is no directory, if a file in it is missing, or if the files do not
    /// contain a user.
    public func read() throws(VolumeError) -> Credentials {
        guard let directory else {
            throw VolumeError(
                .failedPrecondition,
                "the service has no Ceph user of its own; start it with --secret-dir to list, measure and watch volumes"
            )
        }
        let (userID, userKey) = (try contents(of: "userID", in: directory), try contents(of: "userKey", in: directory))
        do throws(CredentialsFault) {
            return try Credentials(userID: userID, userKey: userKey)
        } catch {
            throw VolumeError(.failedPrecondition, "the Secret in '\(directory)': \(error)")
        }
    }

    private func contents(of name: String, in directory: String) throws(VolumeError) -> Secret {
        let path = "\(directory)/\(name)"
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw VolumeError(
                .failedPrecondition,
                "cannot read '\(path)'; a Secret's directory has the files userID and userKey, as Kubernetes mounts one"
            )
        }
        return Secret(data)
    }
}
