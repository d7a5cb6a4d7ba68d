internal import ExactText

/// A failed operation on a volume, with a code for programs and a sentence for people.
///
/// `message` is lower case, without a full stop: what could not be done to what, why, and after a semicolon what to do.
public struct VolumeError: Error, Sendable, CustomStringConvertible {
    /// The outcomes that CSI knows, with its codes' meanings.
    public enum Code: String, Sendable, CaseIterable {
        /// gRPC: CANCELED.
        case canceled
        /// gRPC: UNKNOWN.
        case unknown
        /// gRPC: INVALID_ARGUMENT.
        case invalidArgument
        /// gRPC: DEADLINE_EXCEEDED.
        case deadlineExceeded
        /// gRPC: NOT_FOUND.
        case notFound
        /// gRPC: ALREADY_EXISTS.
        case alreadyExists
        /// gRPC: PERMISSION_DENIED.
        case permissionDenied
        /// gRPC: RESOURCE_EXHAUSTED.
        case resourceExhausted
        /// gRPC: FAILED_PRECONDITION.
        case failedPrecondition
        /// gRPC: ABORTED.
        case aborted
        /// gRPC: OUT_OF_RANGE.
        case outOfRange
        /// gRPC: UNIMPLEMENTED.
        case unimplemented
        /// gRPC: INTERNAL.
        case `internal`
        /// gRPC: UNAVAILABLE.
        case unavailable
        /// gRPC: DATA_LOSS.
        case dataLoss
        /// gRPC: UNAUTHENTICATED.
        case unauthenticated
    }

    /// Which of CSI's outcomes this is.
    public let code: Code

    /// One sentence for a person; holds no secret.
    public let message: String

    /// Whether its cause was removed meanwhile, so that the same call may succeed at once.
    package private(set) var isMended = false

    /// Whether it says that there is no such cluster, or no such pool: a volume that lies there does not exist.
    package private(set) var isOfMissingPlace = false

    /// The clusters and pools that a list lacks; empty for any other error.
    package private(set) var missing: [MissingPlace] = []

    /// Makes an error with its sentence.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The same error, marked as one whose cause was removed meanwhile.
    package func mended() -> VolumeError {
        var error = self
        error.isMended = true
        return error
    }

    /// The same error, marked as one of a cluster or pool that there is not.
    package func ofMissingPlace() -> VolumeError {
        var error = self
        error.isOfMissingPlace = true
        return error
    }

    /// The same error, of a list that lacks these clusters and pools.
    package func lacking(_ places: [MissingPlace]) -> VolumeError {
        var error = self
        error.missing = places
        return error
    }

    /// The sentence.
    public var description: String { message }

    /// A request that is invalid and fails however often it is repeated.
    public static func invalid(_ message: String) -> VolumeError { VolumeError(.invalidArgument, message) }

    /// The refusal to change an image that Nacre did not make.
    ///
    /// - Parameters:
    ///   - doing: What is refused: `delete image`.
    ///   - imageSpec: `pool/image`.
    ///   - what: What the image is: `an image of 10 GiB that another program made`.
    ///   - marks: Nacre's metadata of it.
    /// - Returns: The refusal, with `.failedPrecondition`.
    public static func notOurs(
        _ doing: String,
        _ imageSpec: String,
        _ what: String,
        _ marks: [String: String]
    ) -> VolumeError {
        VolumeError(
            .failedPrecondition,
            "cannot \(doing) '\(imageSpec)': it is \(what), for it \(lack(marks)); if it really is what you mean, "
                + "\(adoption(imageSpec)); or, if nothing on it is needed: rbd rm \(imageSpec.shellWord)"
        )
    }

    /// What an image lacks that is not Nacre's: `lacks the metadata 'nacre.io/request-name'`.
    public static func lack(_ marks: [String: String]) -> String {
        let name = marks[ImageMetadataKey.requestName]
        if let other = marks[ImageMetadataKey.image], name != nil {
            return "has the marks of image '\(other.printable)', of which it is a copy, or which it was once"
        }
        if let name { return "has the marks of volume '\(name.printable)', whose image has another name" }
        if let other = marks[ImageMetadataKey.adopted] {
            return "was not adopted itself: its '\(ImageMetadataKey.adopted)' says '\(other.printable)'"
        }
        return "lacks the metadata '\(ImageMetadataKey.requestName)'"
    }

    /// How a person lets Nacre have an image.
    public static func adoption(_ imageSpec: String) -> String {
        "let Nacre have it: rbd image-meta set \(imageSpec.shellWord) \(ImageMetadataKey.adopted) \(imageSpec.shellWord)"
    }
}
