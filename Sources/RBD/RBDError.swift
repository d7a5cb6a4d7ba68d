public import RADOS
public import SystemPackage

/// A librbd call that failed, or a class call on an image's objects.
public struct RBDError: Error, Sendable, CustomStringConvertible {
    /// The C function: `rbd_create4`.
    public let call: String
    /// What came back.
    public let code: Errno
    /// What it was called for: `replicapool/csi-vol-…`.
    public let subject: String

    /// Describes the failure of `call`.
    public init(call: String, code: Errno, subject: String) {
        self.call = call
        self.code = code
        self.subject = subject
    }

    /// Converts an error of module `RADOS`.
    public init(_ error: RADOSError) {
        self.init(call: error.call, code: error.code, subject: error.subject)
    }

    /// Such as `'replicapool/csi-vol-…' (rbd_create4: EEXIST)`.
    public var description: String { "'\(subject)' (\(call): \(code.name))" }

    /// Whether what was asked for is not there.
    public var isNotFound: Bool { code == .noSuchFileOrDirectory }

    /// Whether something exists that must not exist yet.
    public var isAlreadyThere: Bool { code == .fileExists }

    /// Whether the operation may still be carried out, because Ceph did not answer.
    var isWithoutAnswer: Bool { code == .timedOut || code == .socketShutdown }

    /// Whether someone has the image open, or works on it.
    public var isBusy: Bool { code == .resourceBusy }
}

/// Turns librbd's negative return values into errors; no other code does that.
@discardableResult
func check(_ result: CInt, _ call: String, _ subject: @autoclosure () -> String) throws(RBDError) -> CInt {
    guard result < 0 else { return result }
    throw RBDError(call: call, code: Errno(rawValue: -result), subject: subject())
}
