package import JSON

/// The API server's Status of a failed request, complete.
///
/// See: meta/v1 Status.
package struct Status: Sendable, Hashable, CustomStringConvertible {
    /// The HTTP status, or the event's code: 409.
    package var code: Int
    /// `Conflict`, `AlreadyExists`, `Expired`; empty if the answer was not a Status.
    package var reason: String
    /// What it says, for a person.
    package var message: String
    /// How long to wait before the next try, if the server says so.
    package var retryAfter: Duration?
    /// The name of the object that it is about; empty if it names none, for example if the server does not know the
    /// path.
    package var subject: String
    /// Its causes, one sentence each: `spec.capacity: Required value`.
    package var causes: [String]

    /// Puts a status together.
    package init(
        code: Int,
        reason: String,
        message: String,
        retryAfter: Duration? = nil,
        subject: String = "",
        causes: [String] = []
    ) {
        self.code = code
        self.reason = reason
        self.message = message
        self.retryAfter = retryAfter
        self.subject = subject
        self.causes = causes
    }

    /// Reads a Status object.
    package init(_ object: JSONValue) {
        let details = object["details"]
        self.init(
            code: Int(object["code"]?.int64 ?? 0),
            reason: object["reason"]?.string ?? "",
            message: object["message"]?.string ?? "",
            retryAfter: details?["retryAfterSeconds"]?.int64.map { .seconds(max(0, min($0, 3600))) },
            subject: details?["name"]?.string ?? "",
            causes: (details?["causes"]?.elements ?? []).map(Self.sentence)
        )
    }

    private static func sentence(_ cause: JSONValue) -> String {
        let message = cause["message"]?.string ?? ""
        guard let field = cause["field"]?.string, !field.isEmpty else { return message }
        return "\(field): \(message)"
    }

    /// The server's message.
    package var description: String {
        message.isEmpty ? "HTTP status \(code)\(reason.isEmpty ? "" : " \(reason)")" : message
    }

    /// The object is not there.
    package var isNotFound: Bool { reason == "NotFound" || (reason.isEmpty && code == 404) }
    /// The object does not exist, according to a server that knows its kind.
    ///
    /// A 404 of a proxy, or of a server without the resource, does not count.
    package func saysGone(_ name: String) -> Bool { isNotFound && subject == name }
    /// Another object has the name.
    package var isAlreadyExists: Bool { reason == "AlreadyExists" }
    /// The object has changed since it was read, or a precondition failed.
    package var isConflict: Bool { reason == "Conflict" || (reason.isEmpty && code == 409) }
    /// The resourceVersion is too old for the server.
    package var isExpired: Bool { reason == "Expired" || reason == "Gone" || code == 410 }
    /// The token is not, or no longer, known.
    package var isUnauthorized: Bool { reason == "Unauthorized" || code == 401 }
    /// RBAC says no.
    package var isForbidden: Bool { reason == "Forbidden" || code == 403 }
    /// The object cannot be as we want it.
    package var isInvalid: Bool { reason == "Invalid" || code == 422 }
    /// The namespace is being deleted, so no object can be created in it.
    package var isNamespaceTerminating: Bool { isForbidden && message.contains("being terminated") }
    /// The server's cache is older than the given resourceVersion.
    package var isTooLargeResourceVersion: Bool {
        message.contains("Too large resource version") || causes.contains { $0.contains("Too large resource version") }
    }
    /// The server cannot now.
    package var isTemporary: Bool {
        code == 429 || code >= 500
            || ["TooManyRequests", "ServerTimeout", "Timeout", "InternalError", "ServiceUnavailable"].contains(reason)
    }
}

/// A call of the API server that failed.
package enum KubernetesError: Error, Sendable, CustomStringConvertible {
    /// The server said no.
    case refused(call: String, Status)
    /// The server could not be reached; whether it acted is unknown unless `wasSent` is false.
    case unreachable(call: String, reason: String, wasSent: Bool)
    /// The answer is not what it should be.
    case malformed(call: String, reason: String)
    /// Writes are not allowed: another process leads, or this one cannot prove that it leads.
    case notLeading(call: String)
    /// The task was cancelled.
    case canceled

    /// For a person; holds no secret.
    package var description: String {
        switch self {
        case .refused(let call, let status): "cannot \(call): \(status)"
        case .unreachable(let call, let reason, _): "cannot \(call): \(reason)"
        case .malformed(let call, let reason): "cannot \(call): the answer cannot be read: \(reason)"
        case .notLeading(let call): "cannot \(call): this process does not hold the lease"
        case .canceled: "canceled"
        }
    }

    /// The server's word, if it gave one.
    package var status: Status? {
        guard case .refused(_, let status) = self else { return nil }
        return status
    }

    /// Whether the server certainly did not act.
    package var isDefinite: Bool {
        switch self {
        case .refused(_, let status): status.code < 500
        case .unreachable(_, _, let wasSent): !wasSent
        case .malformed: false
        case .notLeading: true
        case .canceled: false
        }
    }
}
