/// A transfer that failed, in libcurl's words.
public struct CurlError: Error, Sendable, Hashable, CustomStringConvertible {
    /// libcurl's `CURLcode`.
    public struct Code: RawRepresentable, Sendable, Hashable {
        /// The number.
        public let rawValue: UInt32

        /// Takes any of libcurl's numbers.
        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// CURLE_FAILED_INIT.
        public static let failedInit = Code(rawValue: 2)
        /// CURLE_COULDNT_CONNECT.
        public static let couldntConnect = Code(rawValue: 7)
        /// CURLE_WRITE_ERROR; also thrown here when an answer is too long.
        public static let writeError = Code(rawValue: 23)
        /// CURLE_OUT_OF_MEMORY.
        public static let outOfMemory = Code(rawValue: 27)
        /// CURLE_OPERATION_TIMEDOUT.
        public static let operationTimedout = Code(rawValue: 28)
        /// CURLE_ABORTED_BY_CALLBACK; also thrown here when the caller is cancelled.
        public static let abortedByCallback = Code(rawValue: 42)
        /// CURLE_BAD_FUNCTION_ARGUMENT.
        public static let badFunctionArgument = Code(rawValue: 43)
        /// CURLE_GOT_NOTHING.
        public static let gotNothing = Code(rawValue: 52)
    }

    /// Which failure.
    public let code: Code
    /// Where the transfer went: `unix:/run/nacre/csi.sock /healthz`.
    public let subject: String
    /// libcurl's words, and more where it has them.
    public let reason: String

    /// States a failure.
    public init(_ code: Code, _ subject: String, _ reason: String) {
        self.code = code
        self.subject = subject
        self.reason = reason
    }

    /// Nobody listens there.
    public var isNotReachable: Bool { code == .couldntConnect }

    /// The time was up.
    public var isTimeout: Bool { code == .operationTimedout }

    /// The caller was cancelled, or the program is ending.
    public var isCanceled: Bool { code == .abortedByCallback }

    /// Where, and why not.
    public var description: String { "cannot reach '\(subject)': \(reason) (curl error \(code.rawValue))" }
}
