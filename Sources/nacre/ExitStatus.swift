import NodeAgent
import Volumes

/// The program's exit codes, after sysexits(3), so that scripts can tell a mistake from an unreachable cluster.
enum ExitStatus: Int32, Sendable, CaseIterable {
    case done = 0
    case failed = 1
    case usage = 64
    case notFound = 66
    case serviceUnreachable = 69
    case alreadyExists = 73
    case tryAgain = 75
    case notPermitted = 77
    /// What a shell makes of SIGINT, by which an interrupted command ends.
    case interrupted = 130

    /// The exit code for a volume's error.
    init(_ code: VolumeError.Code) {
        self =
            switch code {
            case .invalidArgument, .outOfRange: .usage
            case .notFound: .notFound
            case .alreadyExists: .alreadyExists
            case .canceled, .deadlineExceeded, .aborted, .unavailable: .tryAgain
            case .permissionDenied, .unauthenticated: .notPermitted
            case .unknown, .resourceExhausted, .failedPrecondition, .unimplemented, .internal, .dataLoss: .failed
            }
    }

    /// The exit code for a cleanup that did not end well.
    init(_ cause: CleanupFailure.Cause) {
        self =
            switch cause {
            case .usage: .usage
            case .notFound: .notFound
            case .notPermitted: .notPermitted
            case .tryAgain: .tryAgain
            case .failed: .failed
            }
    }

    /// The meaning, for a person.
    var meaning: String {
        switch self {
        case .done: "done, or already so"
        case .failed: "failed: in use, full, not supported, not agreed to when it asked"
        case .usage: "wrong usage, no --yes or --confirm, a value that is never right (EX_USAGE)"
        case .notFound: "there is no such volume, node, path or file (EX_NOINPUT)"
        case .serviceUnreachable: "no service at the socket (EX_UNAVAILABLE)"
        case .alreadyExists: "there is another volume of that name (EX_CANTCREAT)"
        case .tryAgain: "not done in time, or no cluster; the same again goes on (EX_TEMPFAIL)"
        case .notPermitted: "Ceph refuses the user, nacre-disk a disk, the system a file (EX_NOPERM)"
        case .interrupted: "interrupted by Ctrl-C; the same again goes on"
        }
    }

    /// The whole table, for help.
    static var table: String {
        allCases
            .map { status in
                let number = String(status.rawValue)
                return "  \(number)\(String(repeating: " ", count: 4 - number.count))\(status.meaning)"
            }
            .joined(separator: "\n")
    }
}

/// The failure of a command, with its exit code.
struct CommandFailure: Error, CustomStringConvertible {
    let status: ExitStatus
    let message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    init(_ error: VolumeError) {
        self.init(ExitStatus(error.code), error.message)
    }

    init(_ failure: CleanupFailure) {
        self.init(ExitStatus(failure.cause), failure.message)
    }

    /// There is no cluster that could be asked.
    ///
    /// - Parameters:
    ///   - fault: Why.
    ///   - isEmpty: Whether config.json names none; otherwise what it names cannot be used, as for a moment while it is written.
    /// - Returns: The failure.
    static func noClusters(_ fault: String, isEmpty: Bool) -> CommandFailure {
        CommandFailure(
            isEmpty ? .usage : .tryAgain,
            "no cluster was asked: \(fault)\(isEmpty ? "; write one into it, as ceph-csi's config.json has it" : "")"
        )
    }

    var description: String { message }
}
