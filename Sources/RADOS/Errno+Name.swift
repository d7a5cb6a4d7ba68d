internal import CLinux
public import SystemPackage

extension Errno {
    /// The number's name in the C library: `ENOENT`; librbd's and librados' returns are negative errnos.
    ///
    /// See: strerror(3), `strerrorname_np`.
    public var name: String {
        guard let name = clinux_errno_name(rawValue) else { return "errno \(rawValue)" }
        return String(cString: name)
    }
}
