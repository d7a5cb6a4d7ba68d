internal import FoundationEssentials
internal import Glibc
internal import ImageMapping
internal import LinuxKernel
internal import Secrets
internal import SystemPackage

/// Starts an image's server, and a new one whenever it dies.
///
/// The keeper does nothing else. It has one thread and no connection to Ceph, so few faults can end it. It holds what
/// must outlive a server: the key, the FUSE connection and the memory with the acknowledged writes. It forks a server
/// instead of starting a program, because loading the program and its libraries takes longer than the rest of a
/// takeover.
///
/// | the server ends | the keeper |
/// | --- | --- |
/// | before it was ready for the first time | ends |
/// | after it said that the device is gone | ends |
/// | for a minute, because another client has the image | gives the device up: its I/O fails |
/// | because another node has taken the image meanwhile | gives the device up at once |
/// | in any other way | starts the next one |
///
/// All of this works without the agent. If the keeper is killed, its server starts another one and passes on what it
/// has inherited (`KeeperLine`). If both are killed at once, a FUSE connection is lost and its I/O fails; an nbd device
/// waits until its volume is staged again.
enum ImageKeeper {
    /// The messages of a server to its keeper, one byte each.
    enum Word: UInt8 {
        /// It serves.
        case ready = 0x72
        /// The device is gone, and all writes are stable.
        case gone = 0x67
    }

    /// The exit status of a server that could not take the image.
    static let refused: Int32 = 3
    /// The exit status of a server whose image another node has taken.
    static let fenced: Int32 = 4
    /// A server that ran this long did not fail by itself, and is restarted without a delay.
    private static let soundLife = Duration.seconds(10)
    private static let longestPause: UInt32 = 5_000_000
    /// Longer than a client holds the lock for one change, such as a resize.
    private static let refusalLimit = Duration.seconds(60)

    /// Serves the image, then ends the process.
    static func run(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        parent: CInt
    ) -> Never {
        let heritage: ServerHeritage
        do throws(MappingError) {
            heritage = try ServerHeritage(configuration)
        } catch {
            ServerLog.say("\(error)")
            ImageServerReport.failed(error).send(to: parent)
            _exit(1)
        }
        keep(configuration, key, heritage, parent: parent)
    }

    /// Takes the place of a killed keeper beside its server, then ends the process.
    ///
    /// From descriptor 3 on: the pipe from the server, the shared memory, the directory's lock, the FUSE connection.
    static func run(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        adopting server: AdoptedServer
    ) -> Never {
        do throws(KernelError) {
            let words = OwnedDescriptor(adopting: 3, subject: "pipe from the server")
            let heritage = try ServerHeritage(configuration, adopting: server, from: 4)
            try ServerAttendance(configuration).waitForEnd(of: server.process)
            var configuration = configuration
            configuration.adopted = nil
            let end = ServerEnd(ending: .unknown, words: try words.readToEnd())
            keep(configuration, key, heritage, after: end)
        } catch {
            ServerLog.say("cannot keep \(configuration.image): \(error)")
            _exit(1)
        }
    }

    /// How a server ended; unknown if another process had started it.
    private struct ServerEnd {
        let ending: ProcessControl.Ending
        let words: [UInt8]
    }

    /// Starts one server after another; `end` says how the first one ended, if another keeper had started it.
    private static func keep(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        _ heritage: ServerHeritage,
        parent: CInt? = nil,
        after end: ServerEnd? = nil
    ) -> Never {
        var adopted = end
        var generation = adopted == nil ? 0 : 1
        var pause: UInt32 = 0
        var refusedSince: ContinuousClock.Instant?
        while true {
            let begin = ContinuousClock.now
            let first = generation == 0 ? parent : nil
            guard let end = adopted.take() ?? serve(configuration, key, heritage, generation, parent: first) else {
                _exit(1)
            }
            if end.words.contains(Word.gone.rawValue) { _exit(0) }
            guard generation > 0 || end.words.contains(Word.ready.rawValue) else {
                // A server that failed has told why already; one that was killed could not.
                if let first { report(end.ending, of: configuration.image, to: first) }
                _exit(1)
            }
            if let first { close(first) }
            if end.ending == .exited(fenced) {
                heritage.giveUp()
                _exit(1)
            }
            refusedSince = end.ending == .exited(refused) ? refusedSince ?? begin : nil
            if let refusedSince, .now - refusedSince > refusalLimit {
                ServerLog.say("giving \(configuration.image) up: another client has it")
                heritage.giveUp()
                _exit(1)
            }
            pause = .now - begin > soundLife ? 0 : min(max(pause * 2, pause == 0 ? 20_000 : 0), longestPause)
            ServerLog.say("the server of \(configuration.image) \(end.ending): starting the next one")
            if generation > 0 { usleep(pause) }
            generation += 1
        }
    }

    /// Tells the service that waits for the first server how that ended.
    private static func report(_ ending: ProcessControl.Ending, of image: ImageAddress, to parent: CInt) {
        let sentence = "the server of image \(image) \(ending) before it was ready"
        ServerLog.say(sentence)
        ImageServerReport.failed(MappingError(.other, sentence)).send(to: parent)
    }

    /// Starts a server and waits for its end.
    private static func serve(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        _ heritage: ServerHeritage,
        _ generation: Int,
        parent: CInt?
    ) -> ServerEnd? {
        do throws(KernelError) {
            return try OwnedDescriptor.withPipe { (words, toKeeper) throws(KernelError) in
                let process = try ProcessControl.fork()
                if process == 0 {
                    let server = ImageServer(configuration, key, heritage, generation, toKeeper: toKeeper.rawValue)
                    server.run(parent: parent)
                }
                _ = consume toKeeper
                if let identity = ProcessIdentity(of: process) {
                    try ServerAttendance(configuration).waitForEnd(of: identity)
                }
                let ending = ProcessControl.wait(for: process)
                return ServerEnd(ending: ending, words: try words.readToEnd())
            }
        } catch {
            ServerLog.say("cannot start a server for \(configuration.image): \(error)")
            return nil
        }
    }
}

extension ServerRecord {
    /// The record in a directory; `nil` if there is none.
    static func read(_ directory: MappingDirectory) -> ServerRecord? {
        guard let bytes = try? KernelFile.bytes(directory.server) else { return nil }
        return try? JSONDecoder().decode(ServerRecord.self, from: Data(bytes))
    }

    func write(_ directory: MappingDirectory) throws(KernelError) {
        let bytes = (try? JSONEncoder().encode(self)).map { Array($0) } ?? []
        // It describes processes, which do not survive a boot; after a boot the lock's record tells who held the image.
        try KernelFile.replace(directory.server, with: bytes, isDurable: false)
    }
}
