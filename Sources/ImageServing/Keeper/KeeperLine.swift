internal import Glibc
internal import LinuxKernel
internal import Secrets
internal import Synchronization
internal import SystemPackage

/// A server's line to its keeper, and to the keeper's successors: the server starts one when its keeper is killed.
///
/// Nobody else could: the key, the memory with the acknowledged writes and the FUSE connection are the server's and the
/// keeper's alone. The new keeper is the server's program started anew, since a process with threads must not just be
/// forked, and it gets all of that as descriptors. It is no parent of the server, so it learns of its death by a pidfd,
/// and how it ended by the words alone.
final class KeeperLine: Sendable {
    private let configuration: ImageServerConfiguration
    private let key: Secret
    private let heritage: ServerHeritage
    private let process: ProcessIdentity
    private let toKeeper: CInt
    private let isGone = Atomic(false)

    /// Between two keepers that could not be started, or that died at once.
    private static let pause: UInt32 = 200_000

    init(
        _ configuration: ImageServerConfiguration,
        _ key: Secret,
        _ heritage: ServerHeritage,
        _ process: ProcessIdentity,
        _ toKeeper: CInt
    ) {
        self.configuration = configuration
        self.key = key
        self.heritage = heritage
        self.process = process
        self.toKeeper = toKeeper
    }

    /// Tells the keeper.
    func say(_ word: ImageKeeper.Word) {
        if word == .gone { isGone.store(true, ordering: .sequentiallyConsistent) }
        var byte = word.rawValue
        _ = Glibc.write(toKeeper, &byte, 1)
    }

    /// Starts a new keeper whenever the last one is gone, on a thread of its own.
    func replaceKeepers() {
        startThread { [self] in
            var keeper = heritage.keeper
            while !isGone.load(ordering: .sequentiallyConsistent) {
                do throws(KernelError) {
                    guard try keeper.hasEnded(within: .seconds(3600)) else { continue }
                    guard !isGone.load(ordering: .sequentiallyConsistent) else { return }
                    ServerLog.say("the keeper of \(configuration.image) is gone: starting another one")
                    if let next = try startKeeper() { keeper = next }
                } catch {
                    ServerLog.say("cannot start a keeper for \(configuration.image): \(error)")
                }
                usleep(Self.pause)
            }
        }
    }

    /// Starts a keeper; nothing when it has ended already.
    private func startKeeper() throws(KernelError) -> ProcessIdentity? {
        var configuration = configuration
        configuration.adopted = AdoptedServer(
            process: process,
            firstKeeper: heritage.firstKeeper,
            hasFuseConnection: heritage.fuseConnection != nil
        )
        let command = try KernelFile.bytes("/proc/self/cmdline").split(separator: 0)
            .map { String(decoding: $0, as: UTF8.self) }
        let input = try OwnedDescriptor.withPipe { (input, output) throws(KernelError) in
            try configuration.placement.write(to: output)
            try configuration.write(with: key, to: output)
            return input
        }
        return try OwnedDescriptor.withPipe { (words, theirs) throws(KernelError) in
            let inherited = [words.rawValue, heritage.memory.rawValue, heritage.lock.rawValue]
            let pid = try ProcessControl.spawn(
                "/proc/self/exe",
                isDetached: true,
                arguments: command,
                environment: ServerLauncher.inheritedEnvironment,
                descriptors: [input.rawValue, 1, 2] + inherited + (heritage.fuseConnection.map { [$0] } ?? [])
            )
            // In the place of the dead keeper's pipe, so that whoever says something says it to the new one. What was
            // said to the old one is said again.
            guard dup2(theirs.rawValue, toKeeper) >= 0 else {
                throw KernelError("dup2", Errno(rawValue: errno), "pipe to the keeper")
            }
            say(.ready)
            if isGone.load(ordering: .sequentiallyConsistent) { say(.gone) }
            return ProcessIdentity(of: pid)
        }
    }
}
