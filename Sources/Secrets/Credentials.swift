/// A Ceph user: the `userID` and `userKey` of a ceph-csi Secret.
public struct Credentials: Sendable, Hashable, CustomStringConvertible {
    /// The user without its `client.` prefix, such as `csi-rbd-provisioner`.
    public let userID: String

    /// The user's cephx key, base64 as in a keyring.
    public let userKey: Secret

    /// Pairs a user with its key.
    public init(userID: String, userKey: Secret) {
        self.userID = userID
        self.userKey = userKey
    }

    /// The user as Ceph names it, such as `client.csi-rbd-provisioner`.
    public var entityName: String { "client.\(userID)" }

    /// The user alone.
    public var description: String { entityName }
}
