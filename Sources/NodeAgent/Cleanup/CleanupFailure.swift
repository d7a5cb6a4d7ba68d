/// Why a node was not cleaned, or not wholly.
package struct CleanupFailure: Error, CustomStringConvertible {
    /// What a caller can do about it.
    package enum Cause: Sendable {
        /// What was asked for is never right.
        case usage
        /// There is no such disk or file.
        case notFound
        /// nacre-disk refuses a disk, or the system a file.
        case notPermitted
        /// The same again goes on.
        case tryAgain
        /// Anything else.
        case failed
    }

    package let cause: Cause
    package let message: String

    package init(_ cause: Cause, _ message: String) {
        self.cause = cause
        self.message = message
    }

    package var description: String { message }
}
