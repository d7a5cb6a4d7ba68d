/// What went wrong with a volume, for its caller and for the person who reads it at night.
///
/// `message` is lower case, without a full stop: what could not be done to what, why, and after a semicolon what to do.
public struct VolumeError: Error, Sendable, CustomStringConvertible {
    /// The outcomes that CSI knows, with its codes' meanings.
    public enum Code: String, Sendable, CaseIterable {
        case canceled
        case unknown
        case invalidArgument
        case deadlineExceeded
        case notFound
        case alreadyExists
        case permissionDenied
        case resourceExhausted
        case failedPrecondition
        case aborted
        case outOfRange
        case unimplemented
        case `internal`
        case unavailable
        case dataLoss
        case unauthenticated
    }

    /// Which of CSI's outcomes this is.
    public let code: Code

    /// One sentence for a person; holds no secret.
    public let message: String

    /// Makes an error with its sentence.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The sentence.
    public var description: String { message }

    /// A request that cannot be right however often it is repeated.
    public static func invalid(_ message: String) -> VolumeError { VolumeError(.invalidArgument, message) }
}
