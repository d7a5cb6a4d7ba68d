internal import FoundationEssentials
internal import Glibc
internal import LinuxKernel
internal import Logging
internal import Secrets
internal import SystemPackage

/// Starts servers.
struct ServerLauncher: Sendable {
    /// A program and arguments that run `ImageServerProcess.main(readingConfigurationFrom: 0)`.
    let command: [String]
    let logger: Logger

    /// How long a server may take to be ready: a dead client's watch lasts 30 s.
    private static let startLimit = Duration.seconds(60)

    /// Starts a server and waits until its device or file is there, or it says why not.
    func start(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        didStart: () -> Void
    ) throws(MappingError) {
        let directory = configuration.directory
        let answer: [UInt8]
        do throws(KernelError) {
            answer = try converse(configuration, key, didStart)
        } catch {
            throw MappingError("start a server for image \(configuration.image)", error)
        }
        guard let report = try? JSONDecoder().decode(ImageServerReport.self, from: Data(answer)) else {
            let lastWords = (try? KernelFile.text(directory.log))?.split(separator: "\n").last ?? "it said nothing"
            throw MappingError(
                .other,
                "cannot start a server for image \(configuration.image): it ended before it was ready: \(lastWords)"
            )
        }
        if case .failed(let error) = report { throw error }
    }

    private func converse(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        _ didStart: () -> Void
    ) throws(KernelError) -> [UInt8] {
        let directory = configuration.directory
        let log = try OwnedDescriptor(opening: directory.log, O_WRONLY | O_CREAT | O_APPEND)
        let input = try configuration.pipe(with: key)
        return try OwnedDescriptor.withPipe { (answer, report) throws(KernelError) in
            let pid = try ProcessControl.spawnDetached(
                command.first ?? "/proc/self/exe",
                arguments: command,
                environment: Self.inheritedEnvironment,
                descriptors: [input.rawValue, log.rawValue, log.rawValue, report.rawValue]
            )
            _ = consume report
            didStart()
            logger.info("started an image server", metadata: ["image": "\(configuration.image)", "pid": "\(pid)"])
            guard answer.waitForInput(Self.startLimit) else {
                // Its end of the pipe breaks when we return, and it ends itself; it is not waited for.
                throw KernelError("poll", .timedOut, "the server is not ready after \(Self.startLimit)")
            }
            return try answer.readToEndOfLine()
        }
    }

    /// No more than a program needs to find its libraries: nothing of Ceph's comes from the environment.
    static var inheritedEnvironment: [String: String] {
        var environment: [String: String] = [:]
        for name in ["PATH", "LD_LIBRARY_PATH", "TZ"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return environment
    }
}

extension OwnedDescriptor {
    /// Whether there is something to read, or the other end is closed, within `limit`.
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
    fileprivate borrowing func readToEndOfLine() throws(KernelError) -> [UInt8] {
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
