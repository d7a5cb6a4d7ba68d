public import Secrets
internal import SystemPackage

extension RADOSError {
    /// What is wrong with the key of a user who could not connect, and what to do, a clause; nothing when it is not the key.
    ///
    /// librados decodes a key before it asks any monitor: EINVAL within milliseconds is its word that it does not know the
    /// key's type. No version would tell, for `rados_version` is 3.0.0 from Ceph 14 to 20.
    ///
    /// - Parameter credentials: The user and its key, as they were given to `Cluster.connect`.
    public func fault(inKeyOf credentials: Credentials) -> String? {
        guard [.invalidArgument, .notSupportedOnSocket, .notSupported].contains(code) else { return nil }
        switch CephKey.kind(of: credentials.userKey) {
        case .aes: return nil
        case .aes256k:
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

    /// Why monitors that run may not answer a user, a clause; nothing when that cannot be.
    ///
    /// Seen with librados 16.2.15 and monitors of 20.2.4: they offer no method for the key's type, and librados goes on asking
    /// until its time is up.
    public static func silence(towardsKeyOf credentials: Credentials) -> String? {
        guard CephKey.kind(of: credentials.userKey) == .aes else { return nil }
        return
            "if both are right, the cluster may allow keys of type aes256k alone, as one made by Ceph 20.2.4 or later does, and "
            + "this user's is of type aes: see auth_allowed_ciphers in 'ceph mon dump'"
    }
}
