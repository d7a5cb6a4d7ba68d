public import SystemPackage

/// A librados call that failed.
public struct RADOSError: Error, Sendable, CustomStringConvertible {
    /// The C function: `rados_connect`.
    public let call: String
    /// What came back.
    public let code: Errno
    /// What it was called for: a cluster, a pool, an object.
    public let subject: String

    /// Describes the failure of `call`.
    public init(call: String, code: Errno, subject: String) {
        self.call = call
        self.code = code
        self.subject = subject
    }

    /// Such as `'replicapool' (rados_ioctx_create: ENOENT)`.
    public var description: String { "'\(subject)' (\(call): \(code.name))" }

    /// Whether what was asked for is not there.
    public var isNotFound: Bool { code == .noSuchFileOrDirectory }

    /// Whether there is something already where nothing was expected.
    public var isAlreadyThere: Bool { code == .fileExists }

    /// Whether an object's bytes are not those that they were compared with: at byte n it is MAX_ERRNO + n.
    ///
    /// See: `rados_read_op_cmpext`.
    var isDifference: Bool { code.rawValue >= 4095 }
}

/// Turns librados' negative returns into errors; the only place that does.
@discardableResult
func check(_ result: CInt, _ call: String, _ subject: @autoclosure () -> String) throws(RADOSError) -> CInt {
    guard result < 0 else { return result }
    throw RADOSError(call: call, code: Errno(rawValue: -result), subject: subject())
}
