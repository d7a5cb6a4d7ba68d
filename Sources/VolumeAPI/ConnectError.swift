internal import ExactText
package import JSON
internal import OrderedCollections
internal import Secrets

/// A call that failed, in Connect's form: a code for programs and a sentence for people.
package struct ConnectError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Connect's codes, which are gRPC's.
    package enum Code: String, Sendable, Hashable, CaseIterable {
        case canceled
        case unknown
        case invalidArgument = "invalid_argument"
        case deadlineExceeded = "deadline_exceeded"
        case notFound = "not_found"
        case alreadyExists = "already_exists"
        case permissionDenied = "permission_denied"
        case resourceExhausted = "resource_exhausted"
        case failedPrecondition = "failed_precondition"
        case aborted
        case outOfRange = "out_of_range"
        case unimplemented
        case `internal`
        case unavailable
        case dataLoss = "data_loss"
        case unauthenticated

        /// The HTTP status that goes with the code; several codes share one.
        package var httpStatus: Int {
            switch self {
            case .canceled: 499
            case .unknown, .internal, .dataLoss: 500
            case .invalidArgument, .failedPrecondition, .outOfRange: 400
            case .deadlineExceeded: 504
            case .notFound: 404
            case .alreadyExists, .aborted: 409
            case .permissionDenied: 403
            case .resourceExhausted: 429
            case .unimplemented: 501
            case .unavailable: 503
            case .unauthenticated: 401
            }
        }

        /// The code for an answer that is not in Connect's form, such as one of a proxy, or for an unknown path.
        package init(httpStatus: Int) {
            self =
                switch httpStatus {
                case 400: .internal
                case 401: .unauthenticated
                case 403: .permissionDenied
                case 404: .unimplemented
                case 429, 502, 503, 504: .unavailable
                default: .unknown
                }
        }
    }

    /// What kind of failure it is.
    package let code: Code
    /// One sentence for a person; holds no secret.
    package let message: String

    /// What a list lacks, by its keys: `clusterID`, or `clusterID@pool`; empty for any other error.
    package let resources: [String]

    /// Makes an error with its sentence; a cephx key in it is masked, whatever it repeats.
    package init(_ code: Code, _ message: String, resources: [String] = []) {
        self.code = code
        self.message = CephKey.masked(message)
        self.resources = resources
    }

    /// Reads an error from an answer's body, or derives one from its HTTP status.
    package init(httpStatus: Int, body: [UInt8]) {
        if let json = try? JSONValue(parsing: body), case .string(let name) = json["code"],
            let code = Code(rawValue: name)
        {
            self.code = code
            if case .string(let message) = json["message"] { self.message = message } else { message = "" }
            resources = Self.resources(in: json["details"])
        } else {
            resources = []
            code = Code(httpStatus: httpStatus)
            message = "HTTP status \(httpStatus) without Connect's error"
        }
    }

    private static func resources(in details: JSONValue?) -> [String] {
        guard case .array(let details) = details else { return [] }
        return details.compactMap { ResourceInfo($0)?.name }
    }

    /// The answer's body.
    package var json: JSONValue {
        var body: JSONObject = ["code": .string(code.rawValue), "message": .string(message)]
        if !resources.isEmpty { body["details"] = .array(resources.map { ResourceInfo(name: $0).detail }) }
        return .object(body)
    }

    /// Code and sentence.
    package var description: String { "\(code.rawValue): \(message)" }
}
