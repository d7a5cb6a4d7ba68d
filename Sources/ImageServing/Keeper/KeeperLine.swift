internal import Glibc
internal import LinuxKernel
internal import Secrets
internal import Synchronization
internal import SystemPackage

/// A server's connection to its keeper.
///
/// If the keeper is killed, the server starts another one.
///
/// No other process could start it: only the server and the keeper have the key, the memory with the acknowledged
/// writes and the FUSE connection. The new keeper is a new start of the server's program, because a process with
/// threads must not just be forked. It gets all of this as descriptors. It is not the server's parent, so it learns of
/// the server's end by a pidfd, and of the reason only by the server's messages.
final class KeeperLine: Sendable {
    private let configuration: ImageServerConfiguration
    private let key: Secret
    private let heritage: ServerHeritage
    private let process: ProcessIdentity
    private let toKeeper: CInt
    private let isGone = Atomic(false)

    /// The pause after a keeper that could not be started or died at once.
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

    /// Starts a new keeper whenever the last one has ended, on its own thread.
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

    /// Starts a keeper; `nil` if it has ended already.
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
                environment: ProcessControl.inheritedEnvironment(),
                descriptors: [input.rawValue, 1, 2] + inherited + (heritage.fuseConnection.map { [$0] } ?? [])
            )
            // Replaces the dead keeper's pipe, so that all messages go to the new one. Earlier messages are sent again.
            guard dup2(theirs.rawValue, toKeeper) >= 0 else {
                throw KernelError("dup2", Errno(rawValue: errno), "pipe to the keeper")
            }
            say(.ready)
            if isGone.load(ordering: .sequentiallyConsistent) { say(.gone) }
            return ProcessIdentity(of: pid)
        }
    }
}
