internal import ExactText

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

    /// Whether both are the same user, by the bytes of its name, with the same key.
    public static func == (one: Self, other: Self) -> Bool {
        one.userID.isExactly(other.userID) && one.userKey == other.userKey
    }

    /// Feeds the name and the key.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ExactText(userID))
        hasher.combine(userKey)
    }

    /// The user alone.
    public var description: String { entityName }
}
