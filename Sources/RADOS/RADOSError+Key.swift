public import Secrets
internal import SystemPackage

extension RADOSError {
    /// What is wrong with the key of a user who could not connect.
    ///
    /// librados decodes a key before it asks any monitor, and returns EINVAL at once if it does not know the key's type.
    /// `rados_version` does not tell which types it knows: it is 3.0.0 on Ceph 16 as on 20. That of 20.2.4 passes over a key
    /// that it cannot decode, and `rados_connect` returns ENOENT because it has none then.
    ///
    /// - Parameter credentials: The user and its key, as they were given to `Cluster.connect`.
    /// - Returns: A clause with the cause and what to do; `nil` if the key is not the cause.
    public func fault(inKeyOf credentials: Credentials) -> String? {
        let isRefused = [.invalidArgument, .notSupportedOnSocket, .notSupported].contains(code)
        let isPassedOver = call == "rados_connect" && code == .noSuchFileOrDirectory
        guard isRefused || isPassedOver else { return nil }
        switch CephKey.kind(of: credentials.userKey) {
        case .aes: return nil
        case .aes256k:
            guard isRefused else { return nil }
            return
                "its key is of type aes256k, which the librados of this program does not know, only that of Ceph 20.2.4 or "
                + "later: run Nacre with librados2 and librbd1 of such a release, or let older clients in "
                + "('ceph mon set auth_allowed_ciphers aes,aes256k') and give the user a key of type aes "
                + "('ceph auth rotate \(credentials.entityName) --key-type aes'), which goes into userKey of the Secret"
        case nil:
            return
                "userKey of the Secret is no cephx key; give what 'ceph auth get-key \(credentials.entityName)' prints"
        }
    }

    /// Why the monitors refused a user who was to be connected, where they did.
    ///
    /// The user's caps for pools are not in question yet: monitors refuse a user that they do not know, or who does not
    /// prove to have its key.
    ///
    /// - Parameter credentials: The user.
    /// - Returns: A clause with the cause and where to look, in two parts, between which the call's name goes; `nil` for
    ///   every other failure.
    public func refusal(of credentials: Credentials) -> (cause: String, remedy: String)? {
        guard call == "rados_connect", [.permissionDenied, .notPermitted].contains(code) else { return nil }
        return (
            "its monitors refuse the user: there is none of that name, or it has another key, or no caps for mon",
            "compare userID and userKey of the Secret with 'ceph auth get \(credentials.entityName)', which must have mon "
                + "'profile rbd'"
        )
    }

    /// Why monitors may refuse a user, or seem not to answer, although everything else is right.
    ///
    /// Monitors of 20.2.4 that do not allow the key's type offer no method for it. librados 16.2.15 returns EACCES then, or
    /// asks again until `client_mount_timeout` ends and returns ETIMEDOUT.
    ///
    /// - Parameter credentials: The user and its key.
    /// - Returns: A clause with the cause and where to look; `nil` if the key's type cannot be the cause.
    public static func refusal(ofKeyTypeOf credentials: Credentials) -> String? {
        guard CephKey.kind(of: credentials.userKey) == .aes else { return nil }
        return
            "if that is right, the cluster may allow keys of type aes256k alone, as one made by Ceph 20.2.4 or later does, and "
            + "this user's is of type aes: see auth_allowed_ciphers in 'ceph mon dump'"
    }
}
