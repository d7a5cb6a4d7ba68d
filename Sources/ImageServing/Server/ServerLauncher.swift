internal import ExactText
internal import FoundationEssentials
internal import Glibc
internal import ImageMapping
internal import LinuxKernel
public import Logging
internal import Secrets
internal import Synchronization
internal import SystemPackage

/// Starts servers.
///
/// Loading a program with its libraries and moving it to another cgroup take as long as the rest of a server's start.
/// So one process may wait ready: it knows only its cgroup, and it ends with this service.
public final class ServerLauncher: Sendable {
    private let command: [String]
    let placement: ServerPlacement
    private let keepsSpare: Bool
    private let logger: Logger
    private let spare = Mutex<WaitingServer?>(nil)

    /// How long a server may take to be ready; it may have to wait 30 s for a dead client's watch.
    private static let startLimit = Duration.seconds(60)

    /// Starts nothing yet.
    ///
    /// - Parameters:
    ///   - command: A program and arguments that run `ImageServerProcess.main(readingConfigurationFrom: 0)`.
    ///   - placement: Which cgroups servers go to.
    ///   - keepsSpare: Whether, after the first server, a process waits ready for the next image.
    ///   - logger: Where to tell of starts.
    public init(command: [String], placement: ServerPlacement = .root, keepsSpare: Bool = false, logger: Logger) {
        self.command = command
        self.placement = placement
        self.keepsSpare = keepsSpare
        self.logger = logger
    }

    /// Starts a process for the next image, on its own thread; does nothing if none is kept or one waits already.
    private func prepareSpare() {
        guard keepsSpare, spare.withLock({ $0 == nil }) else { return }
        startThread { [self] in
            // A failure is reported when a process is needed and starting it is tried again.
            guard let started = try? WaitingServer(command, placement, log: 2) else { return }
            spare.withLock { spare in if spare == nil { spare = started } }
        }
    }

    /// Starts a server and waits until its device or file exists, or the server reports a failure.
    func start(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        didStart: () -> Void
    ) throws(MappingError) {
        defer { prepareSpare() }
        // What is there already is of earlier servers.
        let written = (try? KernelFile.bytes(configuration.directory.log))?.count ?? 0
        let answer: [UInt8]
        do throws(KernelError) {
            let server = try told(configuration, key)
            didStart()
            let metadata: Logger.Metadata = ["image": "\(configuration.image)", "pid": "\(server.pid)"]
            logger.info("started an image server", metadata: metadata)
            guard let line = server.answer(within: Self.startLimit) else {
                // Its pipe is closed when this returns, and it ends by itself; it is not waited for.
                throw KernelError("poll", .timedOut, "the server is not ready after \(Self.startLimit)")
            }
            answer = line
        } catch {
            throw MappingError("start a server for image \(configuration.image)", error)
        }
        guard let report = try? JSONDecoder().decode(ImageServerReport.self, from: Data(answer)) else {
            let last = ServerLog.lastWords(in: configuration.directory.log, from: written)
            throw MappingError(
                .other,
                "cannot start a server for image \(configuration.image): it ended before it was ready, "
                    + (last.map { "and said: \($0)" } ?? "and said nothing, as one that was killed")
                    + "; see '\(configuration.directory.log)'"
            )
        }
        if case .failed(let error) = report { throw error }
    }

    /// A process with this configuration: the waiting one, else a new one.
    private func told(
        _ configuration: ImageServerConfiguration,
        _ key: Secret
    ) throws(KernelError) -> WaitingServer {
        if let waiting = spare.withLock({ $0.take() }) {
            // It may have been killed while it waited.
            if (try? waiting.tell(configuration, key)) != nil { return waiting }
            logger.notice("the image server that waited for an image is gone", metadata: ["pid": "\(waiting.pid)"])
        }
        let log = try OwnedDescriptor(opening: configuration.directory.log, O_WRONLY | O_CREAT | O_APPEND)
        let server = try WaitingServer(command, placement, log: log.rawValue)
        try server.tell(configuration, key)
        return server
    }
}

/// A process that waits for its configuration; it ends if this object is released before.
private final class WaitingServer: Sendable {
    let pid: Int32
    private let toServer: Mutex<OwnedDescriptor?>
    private let fromServer: OwnedDescriptor

    /// Starts it and tells it where to go.
    init(_ command: [String], _ placement: ServerPlacement, log: CInt) throws(KernelError) {
        let there = try Pipe(), back = try Pipe()
        pid = try ProcessControl.spawn(
            command.first ?? "/proc/self/exe",
            isDetached: true,
            arguments: command,
            environment: ProcessControl.inheritedEnvironment(),
            descriptors: [there.readEnd.rawValue, log, log, back.writeEnd.rawValue]
        )
        fromServer = back.readEnd
        try placement.write(to: there.writeEnd)
        toServer = Mutex(there.writeEnd)
    }

    /// Sends it the configuration; fails if it has ended.
    func tell(_ configuration: ImageServerConfiguration, _ key: Secret) throws(KernelError) {
        let result: Result<Void, KernelError> = toServer.withLock { pipe in
            guard let pipe = pipe.take() else { return .success(()) }
            // Checked first, because not every process that maps images ignores SIGPIPE.
            guard !pipe.isBroken else { return .failure(KernelError("write", .brokenPipe, pipe.subject)) }
            do throws(KernelError) {
                return .success(try configuration.write(with: key, to: pipe))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Its report, one line, once it serves or has failed; `nil` at the time limit.
    func answer(within limit: Duration) -> [UInt8]? {
        guard fromServer.waitForInput(limit) else { return nil }
        return fromServer.readToEndOfLine()
    }
}

private struct Pipe: ~Copyable {
    let readEnd: OwnedDescriptor
    let writeEnd: OwnedDescriptor

    init() throws(KernelError) {
        self = try OwnedDescriptor.withPipe { Pipe($0, $1) }
    }

    private init(_ readEnd: consuming OwnedDescriptor, _ writeEnd: consuming OwnedDescriptor) {
        self.readEnd = readEnd
        self.writeEnd = writeEnd
    }
}

extension OwnedDescriptor {
    /// Whether the reader of this pipe is gone.
    var isBroken: Bool {
        var entry = pollfd(fd: rawValue, events: 0, revents: 0)
        return poll(&entry, 1, 0) > 0 && entry.revents & Int16(POLLERR) != 0
    }

    /// Whether input or the end of input is available within `limit`.
    fileprivate borrowing func waitForInput(_ limit: Duration) -> Bool {
        let deadline = ContinuousClock.now + limit
        while true {
            let left = deadline - .now
            guard left > .zero else { return false }
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1
            var entry = pollfd(fd: rawValue, events: Int16(POLLIN), revents: 0)
            if poll(&entry, 1, CInt(milliseconds)) > 0 { return true }
        }
    }

    /// What comes up to a line feed or the end.
    borrowing func readToEndOfLine() -> [UInt8] {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < 64 << 10 {
            let count = Glibc.read(rawValue, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1, byte != UInt8(ascii: "\n") else { break }
            line.append(byte)
        }
        return line
    }
}
