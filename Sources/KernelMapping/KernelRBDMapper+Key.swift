internal import ImageMapping
internal import LinuxKernel
internal import Secrets
internal import SystemPackage

extension KernelRBDMapper {
    /// ENOTSUPP, the kernel's own number: its answer to a type of keys that it does not know.
    private static let notSupported: CInt = 524

    /// Refuses a key of a type that this kernel does not know, before anybody is asked.
    ///
    /// The kernel decodes a key when it is put into a keyring, and that is its word; no version is looked at, since some
    /// distributions carry the keys of Linux 7.0 back.
    ///
    /// See: net/ceph/crypto.c, `ceph_key_preparse`.
    func refuseUnknownKey(_ request: MapRequest) throws(MappingError) {
        let credentials = request.credentials
        guard CephKey.kind(of: credentials.userKey) == .aes256k, !knowsKeyType(credentials.userKey) else { return }
        throw MappingError(
            .unsupported,
            "cannot map image \(request.image) by krbd: the key of \(credentials.entityName) is of type aes256k, which this "
                + "kernel\(KernelFile.firstLine("/proc/sys/kernel/osrelease").map { " (\($0))" } ?? "") does not know; "
                + "Linux 7.0 and later do; map it by nbd or fuse ('mounter: auto' does so), or give the user a key of type aes "
                + "('ceph auth rotate \(credentials.entityName) --key-type aes', where auth_allowed_ciphers has aes)"
        )
    }

    /// Whether the kernel takes the key; what else fails is told when the image is mapped.
    private func knowsKeyType(_ key: Secret) -> Bool {
        let name = "\(keyPrefix)key-type"
        let outcome = CephKey.withDecoded(key) { decoded -> Bool in
            do throws(KernelError) {
                try decoded.withBytes { (bytes) throws(KernelError) in
                    try ThreadKey.with(type: "ceph", description: name, payload: bytes) { () throws(KernelError) in }
                }
                return true
            } catch {
                return ![Self.notSupported, Errno.notSupported.rawValue, Errno.invalidArgument.rawValue].contains(
                    error.errno.rawValue
                )
            }
        }
        return outcome ?? true
    }
}
