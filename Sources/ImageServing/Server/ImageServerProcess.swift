internal import ExactText
internal import FoundationEssentials
internal import Glibc
internal import ImageMapping
internal import LinuxKernel
internal import Secrets
internal import SystemPackage

/// The processes that serve one image; they outlive the service that started them.
///
/// The started process becomes the image's keeper (`ImageKeeper`) and forks the server (`ImageServer`).
public enum ImageServerProcess {
    /// Serves an image until its device is removed, then ends the process.
    ///
    /// Must be called first in a process, on its first thread. Descriptor 3 is the pipe to the parent. For a process
    /// that replaces a killed keeper, descriptors from 3 on are those that `KeeperLine` passes.
    ///
    /// - Parameter descriptor: A pipe with the placement and the configuration, a line of JSON each, and the key after
    ///   them. The configuration may come much later (`ServerLauncher`); if the pipe is closed without one, the process
    ///   ends.
    public static func main(readingConfigurationFrom descriptor: Int32) -> Never {
        // Signals are handled by one thread of this program and not by librbd's threads.
        var signals = ServerSignals.set
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let parent: CInt = 3
        ServerLog.attempt("forbid dumps") { () throws(KernelError) in try ProcessControl.forbidDumps() }
        let start: Start
        do throws(MappingError) {
            let pipe = OwnedDescriptor(adopting: descriptor, subject: "pipe")
            guard let told = try readConfiguration(pipe) else { _exit(0) }
            start = told
        } catch {
            ServerLog.say("\(error)")
            ImageServerReport.failed(error).send(to: parent)
            _exit(1)
        }
        let (configuration, key) = (start.configuration, start.key)
        ServerLog.attempt("write to \(configuration.directory.log)") { () throws(KernelError) in
            try ServerLog.move(to: configuration.directory.log)
        }
        for sentence in start.complaints { ServerLog.sayHarmless(sentence) }
        if let server = configuration.adopted { ImageKeeper.run(configuration, key, adopting: server) }
        ImageKeeper.run(configuration, key, parent: parent)
    }

    private struct Start {
        let configuration: ImageServerConfiguration
        let key: Secret
        /// Failures that happened before the image, and so the log file, was known.
        let complaints: [String]
    }

    /// The configuration from the parent; `nil` if the process is not needed.
    private static func readConfiguration(_ pipe: consuming OwnedDescriptor) throws(MappingError) -> Start? {
        let place = pipe.readToEndOfLine()
        if place.isEmpty { return nil }
        guard let placement = try? JSONDecoder().decode(ServerPlacement.self, from: Data(place)) else {
            throw MappingError(.other, "cannot read the image server's placement: it is not ours")
        }
        let complaints = placement.enter()
        var bytes: [UInt8]
        do throws(KernelError) {
            bytes = try pipe.readToEnd()
        } catch {
            throw MappingError("read the configuration", error)
        }
        if bytes.isEmpty { return nil }
        defer {
            bytes.withUnsafeMutableBytes { bytes in
                if let base = bytes.baseAddress { explicit_bzero(base, bytes.count) }
            }
        }
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            let configuration = try? JSONDecoder().decode(ImageServerConfiguration.self, from: Data(bytes[..<end]))
        else { throw MappingError(.other, "cannot read the image server's configuration: it is not ours") }
        return Start(configuration: configuration, key: Secret(bytes[(end + 1)...]), complaints: complaints)
    }
}

/// The signals that do not end a server or its keeper.
enum ServerSignals {
    static var set: sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGPIPE] { sigaddset(&signals, number) }
        return signals
    }

    /// Calls `body` at each SIGTERM, such as at shutdown; the others are ignored.
    static func onTermination(_ body: () -> Void) {
        var signals = set
        while true {
            var number: CInt = 0
            guard sigwait(&signals, &number) == 0, number == SIGTERM else { continue }
            body()
        }
    }
}

/// A server's log, in a file beside its record.
enum ServerLog {
    static func say(_ sentence: String) {
        try? OwnedDescriptor(adopting: dup(2), subject: "log").writeAll(Array("\(CephKey.masked(sentence))\n".utf8))
    }

    /// Redirects this program's and the libraries' output to it.
    static func move(to path: String) throws(KernelError) {
        let file = try OwnedDescriptor(opening: path, O_WRONLY | O_CREAT | O_APPEND)
        for output in [CInt(1), 2] where dup2(file.rawValue, output) < 0 {
            throw KernelError("dup2", Errno(rawValue: errno), path)
        }
    }

    /// What a line begins with that tells of no failure of the server.
    private static let harmless = "goes on without it: "

    /// Runs a step that may fail on some hosts; logs the failure.
    static func attempt(_ what: String, _ body: () throws(KernelError) -> Void) {
        do throws(KernelError) {
            try body()
        } catch {
            sayHarmless("cannot \(what): \(error)")
        }
    }

    /// Logs what the server does without, and goes on.
    static func sayHarmless(_ sentence: String) { say(harmless + sentence) }

    /// The last line of a log that may tell why a server ended; `nil` if there is none.
    ///
    /// - Parameters:
    ///   - path: The log.
    ///   - offset: How many bytes of it are of earlier servers.
    /// - Returns: The line.
    static func lastWords(in path: String, from offset: Int) -> String? {
        guard let bytes = try? KernelFile.bytes(path) else { return nil }
        return String(decoding: bytes.dropFirst(offset), as: UTF8.self).parts(at: "\n", omittingEmpty: true)
            .last { !$0.startsExactly(with: harmless) }
    }
}

extension ImageServerReport {
    /// Tells the service, if it still listens.
    @discardableResult
    func send(to parent: CInt) -> Bool {
        let parent = OwnedDescriptor(adopting: dup(parent), subject: "pipe to the service")
        let line = (try? JSONEncoder().encode(self)).map { Array($0) } ?? []
        do throws(KernelError) {
            try parent.writeAll(line + [UInt8(ascii: "\n")])
            return true
        } catch {
            return false
        }
    }
}
