internal import CRados
internal import Glibc
internal import SystemPackage

extension IOContext {
    /// Asks whether this user may change, or read, objects of the pool, by an object that does not exist.
    ///
    /// Nothing is changed by it. Blocks the calling thread. Implements `rados_remove`, `rados_stat`.
    ///
    /// - Parameters:
    ///   - object: A name that no object has.
    ///   - isChange: Whether it is asked for a change.
    /// - Returns: How Ceph refuses it; nothing where it lets it through, or says nothing about the user.
    public func refusal(ofAccessTo object: String, isChange: Bool) -> RADOSError? {
        let result = withRawContext { (raw) -> CInt in
            guard !isChange else { return rados_remove(raw, object) }
            var (size, time) = (UInt64(0), time_t(0))
            return rados_stat(raw, object, &size, &time)
        }
        let code = Errno(rawValue: -result)
        guard code == .notPermitted || code == .permissionDenied else { return nil }
        return RADOSError(call: isChange ? "rados_remove" : "rados_stat", code: code, subject: "\(label)/\(object)")
    }
}
