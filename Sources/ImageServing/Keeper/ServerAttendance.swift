internal import Glibc
internal import ImageMapping
internal import LinuxKernel
internal import RBD
internal import Timestamps

/// A keeper's wait for the end of its server; meanwhile it detects a stopped server, which serves no I/O.
///
/// **When a stopped server is replaced.** Killing it and starting the next one is as safe as every takeover: its
/// acknowledged writes are in shared memory, and the cluster refuses its late writes, because the next server fences it
/// first. The next server is started only after the kernel has reported the end of the old one, because both would use
/// the same memory. A server that SIGKILL cannot end, because it waits in the kernel, is waited for. The cases:
///
/// | the server | what is done |
/// | --- | --- |
/// | is stopped by a signal | reported, then killed and replaced, because nobody may continue it |
/// | is stopped, has a FUSE connection, and the kernel cannot send its requests again | reported: the requests would hang for ever |
/// | is stopped by a debugger, or has one | reported: a person debugs it and will continue it |
/// | is slow: no processor time, no answer from the cluster | nothing: a new server would not be faster |
///
/// Checks are counted instead of seconds: if the machine was suspended, or the keeper was stopped with its server, no
/// check was missed, and the server gets the full time to continue. Whether this node still holds the image is not
/// checked here: the next server finds out, and gives the device up if it was fenced.
struct ServerAttendance {
    private let configuration: ImageServerConfiguration

    init(_ configuration: ImageServerConfiguration) { self.configuration = configuration }

    private static let interval = Duration.seconds(1)
    private static let looksUntilTold = 3
    private static let looksUntilReplaced = 8

    /// Returns when the server has ended.
    func waitForEnd(of server: ProcessIdentity) throws(KernelError) {
        var looks = 0
        while try !server.hasEnded(within: Self.interval) {
            guard let state = server.status?.state, let standstill = Standstill(state, server, configuration.front)
            else {
                if looks >= Self.looksUntilTold { clear("the server of \(configuration.image) moves again") }
                looks = 0
                continue
            }
            looks += 1
            if looks == Self.looksUntilTold { tell(standstill, server) }
            if looks >= Self.looksUntilReplaced, standstill == .stopped { try server.send(SIGKILL) }
        }
        if looks >= Self.looksUntilTold { clear("the server of \(configuration.image), which was stopped, has ended") }
    }

    private func tell(_ standstill: Standstill, _ server: ProcessIdentity) {
        let begin = Timestamp.text(.sinceEpoch)
        let sentence = "process \(server.pid), which serves \(configuration.image), \(standstill) since \(begin)"
        ServerLog.say(sentence)
        ServerLog.attempt("write \(configuration.directory.stall)") { () throws(KernelError) in
            try KernelFile.replace(configuration.directory.stall, with: Array("\(sentence)\n".utf8))
        }
    }

    private func clear(_ sentence: String) {
        ServerLog.say(sentence)
        ServerLog.attempt("remove \(configuration.directory.stall)") { () throws(KernelError) in
            try KernelFile.remove(configuration.directory.stall)
        }
    }
}

/// Why a server does not move.
enum Standstill: Equatable, CustomStringConvertible {
    /// It can be replaced.
    case stopped
    /// Its requests would be lost with it.
    case irreplaceable
    /// Somebody looks at it.
    case traced

    /// The meaning of a process' state in `/proc/PID/stat`; `nil` if it is not stopped.
    init?(_ state: Character, isTraced: Bool, _ front: ServerFrontKind, canResend: Bool) {
        switch state {
        case "t": self = .traced
        case "T": self = isTraced ? .traced : front == .fuse && !canResend ? .irreplaceable : .stopped
        default: return nil
        }
    }

    init?(_ state: Character, _ server: ProcessIdentity, _ front: ServerFrontKind) {
        // Only a process that may be stopped needs the second check.
        guard state == "T" || state == "t" else { return nil }
        let canResend = KernelRelease.current?.resendsFuseRequests ?? false
        self.init(state, isTraced: server.isTraced, front, canResend: canResend)
    }

    var description: String {
        switch self {
        case .stopped: "is stopped by a signal and will be replaced; its I/O has waited"
        case .irreplaceable:
            "is stopped by a signal and cannot be replaced, for this kernel (before 6.9) would lose its requests: send it "
                + "SIGCONT; its I/O has waited"
        case .traced: "is stopped by a debugger; its I/O has waited"
        }
    }
}
