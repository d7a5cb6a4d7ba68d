internal import ExactText
internal import Glibc
internal import LinuxKernel
internal import Synchronization
internal import SystemPackage

/// Writes to kernel files that block while a cluster is unreachable.
///
/// Such a write ends only with the process. So each runs on its own thread, and its caller waits for a limited time. A
/// repeated call for the same subject waits for the write under way and never starts a second one.
final class KernelWrites: Sendable {
    enum Outcome {
        case done
        case failed(KernelError)
        /// Still in the kernel, for this long.
        case pending(Duration)
    }

    private let pending = Mutex<[ExactText: Pending]>([:])

    /// How long the write for a subject has been under way, if there is one.
    func age(of subject: String) -> Duration? {
        pending.withLock { $0[ExactText(subject)] }.map { .now - $0.start }
    }

    /// Runs `write` on its own thread and waits for it, or for the one under way.
    func run(
        _ subject: String,
        limit: Duration,
        _ write: @escaping @Sendable () throws(KernelError) -> Void
    ) throws(KernelError) -> Outcome {
        let own = try Pending()
        // Check and registration are under one lock, so that only one of two callers writes.
        let entry = pending.withLock { pending in
            let entry = pending[ExactText(subject)] ?? own
            pending[ExactText(subject)] = entry
            return entry
        }
        if entry === own {
            startThread { [self] in
                let outcome: Result<Void, KernelError>
                do throws(KernelError) {
                    outcome = .success(try write())
                } catch {
                    outcome = .failure(error)
                }
                pending.withLock { $0[ExactText(subject)] = nil }
                entry.finish(outcome)
            }
        }
        switch entry.wait(limit) {
        case .success?: return .done
        case .failure(let error)?: return .failed(error)
        case nil: return .pending(.now - entry.start)
        }
    }
}

/// A write under way; a pipe is closed when it ends.
private final class Pending: Sendable {
    let start = ContinuousClock.now
    private let result = Mutex<Result<Void, KernelError>?>(nil)
    private let signal: Mutex<OwnedDescriptor?>
    private let end: OwnedDescriptor

    private struct Ends: ~Copyable {
        var read: OwnedDescriptor
        var write: OwnedDescriptor
    }

    init() throws(KernelError) {
        let ends = try OwnedDescriptor.withPipe { (read, write) throws(KernelError) in Ends(read: read, write: write) }
        end = ends.read
        signal = Mutex(ends.write)
    }

    func finish(_ outcome: Result<Void, KernelError>) {
        result.withLock { $0 = outcome }
        signal.withLock { $0 = nil }
    }

    func wait(_ limit: Duration) -> Result<Void, KernelError>? {
        let deadline = ContinuousClock.now + limit
        while true {
            if let result = result.withLock({ $0 }) { return result }
            let left = deadline - .now
            guard left > .zero else { return nil }
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1
            var entry = pollfd(fd: end.rawValue, events: Int16(POLLIN), revents: 0)
            poll(&entry, 1, CInt(milliseconds))
        }
    }
}
