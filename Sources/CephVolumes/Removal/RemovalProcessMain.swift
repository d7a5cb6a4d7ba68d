internal import FoundationEssentials
internal import Glibc
internal import LinuxKernel
internal import Synchronization
public import Volumes

/// The process that removes images for a service: `RemovalProcess` is its other end.
public enum RemovalProcessMain {
    /// How often it tells that it lives.
    private static let pulse = Duration.seconds(5)
    /// How often it tells how far an image is.
    private static let progressInterval = Duration.milliseconds(200)
    /// It gives way to who serves.
    private static let niceness: CInt = 5

    /// Carries out the orders from descriptor 0 and answers on descriptor 3, until the orders end.
    ///
    /// Must be called first in a process, on its first thread.
    public static func run(observer: StepObserver? = nil) -> Never {
        signal(SIGPIPE, SIG_IGN)
        // The service ends it by closing the pipe; an interrupt from the terminal is for the service.
        signal(SIGINT, SIG_IGN)
        try? ProcessControl.forbidDumps()
        ProcessControl.limitMallocArenas(to: 4)
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
        var lines = LineReader(0)
        guard let first = lines.next(),
            let setting = try? JSONDecoder().decode(RemovalSetting.self, from: Data(first))
        else { exit(0) }
        let remover = ImageRemover(
            connections: ClusterConnections(
                configuration: ClusterConfiguration(path: setting.configurationPath),
                threadsPerCluster: 4,
                options: setting.options
            ),
            watchPatience: .milliseconds(setting.watchPatience),
            objectCalls: setting.isLibrbdOnly ? .never : .onTestedReleases,
            observer: observer
        )
        let news = Mutex(OwnedDescriptor(adopting: 3, subject: "pipe to the service"))
        let tell = { @Sendable (word: RemovalNews) in
            let line = word.line()
            // If the service is gone, the orders have ended as well.
            news.withLock { pipe in try? pipe.writeAll(line) }
        }
        Task {
            while true {
                tell(.alive)
                remover.releaseIdle()
                try? await Task.sleep(for: pulse)
            }
        }
        while let line = lines.next() {
            guard let order = try? JSONDecoder().decode(RemovalOrder.self, from: Data(line)), let image = order.image
            else { continue }
            Task { await follow(order.ticket, image, remover, tell) }
        }
        // Not `exit`: librbd's threads may still run and must not use destroyed objects.
        _exit(0)
    }

    private static func follow(
        _ ticket: UInt64,
        _ image: TrashedImage,
        _ remover: ImageRemover,
        _ tell: @escaping @Sendable (RemovalNews) -> Void
    ) async {
        let last = Mutex(ContinuousClock.now - progressInterval)
        let outcome = await remover.remove(image) { done, total in
            let isDue = last.withLock { last in
                guard .now - last >= progressInterval else { return false }
                last = .now
                return true
            }
            if isDue { tell(.progress(ticket: ticket, done: done, total: total)) }
        }
        switch outcome {
        case .removed: tell(.removed(ticket: ticket))
        case .blocked(let reason), .crashed(let reason): tell(.blocked(ticket: ticket, reason: reason))
        }
    }
}
