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

    /// Whether an object exists that must not exist yet.
    public var isAlreadyThere: Bool { code == .fileExists }

    /// Whether a comparison of an object's bytes failed: the code is MAX_ERRNO + n if byte n differs.
    ///
    /// See: `rados_read_op_cmpext`.
    var isDifference: Bool { code.rawValue >= 4095 }
}

/// Turns librados' negative return values into errors; no other code does that.
@discardableResult
func check(_ result: CInt, _ call: String, _ subject: @autoclosure () -> String) throws(RADOSError) -> CInt {
    guard result < 0 else { return result }
    throw RADOSError(call: call, code: Errno(rawValue: -result), subject: subject())
}
