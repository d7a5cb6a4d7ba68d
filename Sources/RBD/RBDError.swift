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

    /// Takes over what the room below reported.
    public init(_ error: RADOSError) {
        self.init(call: error.call, code: error.code, subject: error.subject)
    }

    /// Such as `'replicapool/csi-vol-…' (rbd_create4: EEXIST)`.
    public var description: String { "'\(subject)' (\(call): \(code.name))" }

    /// Whether what was asked for is not there.
    public var isNotFound: Bool { code == .noSuchFileOrDirectory }

    /// Whether there is something already where nothing was expected.
    public var isAlreadyThere: Bool { code == .fileExists }

    /// Whether what was asked for may still be done: nobody said that it was not.
    var isWithoutAnswer: Bool { code == .timedOut || code == .socketShutdown }

    /// Whether someone has the image open, or works on it.
    public var isBusy: Bool { code == .resourceBusy }
}

/// Turns librbd's negative returns into errors; the only place that does.
@discardableResult
func check(_ result: CInt, _ call: String, _ subject: @autoclosure () -> String) throws(RBDError) -> CInt {
    guard result < 0 else { return result }
    throw RBDError(call: call, code: Errno(rawValue: -result), subject: subject())
}
