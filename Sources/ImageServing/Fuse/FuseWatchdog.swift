internal import ExactText
internal import ImageMapping
internal import LinuxKernel
public import Logging

/// Ends a deadlock between an image server and the kernel's memory reclaim.
///
/// A server that allocates memory may have to wait for the writeback of pages that only it can write. Then it is stuck
/// for ever, and even SIGKILL has no effect. To prevent that, servers are outside of limited cgroups and marked as I/O
/// flushers, but not every host allows it. The watchdog aborts the FUSE connection of such a server, so that all its
/// I/O fails at once.
public final class FuseWatchdog: Sendable {
    private let mapper: FuseLoopMapper
    private let limit: Duration
    private let interval: Duration
    private let logger: Logger

    /// Watches the servers of `mapper`.
    ///
    /// - Parameters:
    ///   - mapper: Whose servers.
    ///   - limit: How long a thread may wait for writeback before its connection is aborted.
    ///   - interval: How often to look.
    ///   - logger: Where to tell of it.
    public init(
        _ mapper: FuseLoopMapper,
        limit: Duration = .seconds(30),
        interval: Duration = .seconds(1),
        logger: Logger
    ) {
        self.mapper = mapper
        self.limit = limit
        self.interval = interval
        self.logger = logger
    }

    /// Watches until the task is cancelled.
    ///
    /// - Parameter note: Called in each round.
    public func run(inEachRound note: @Sendable () -> Void = {}) async {
        var waitingSince: [StuckThread: ContinuousClock.Instant] = [:]
        while !Task.isCancelled {
            look(&waitingSince)
            note()
            try? await Task.sleep(for: interval)
        }
    }

    private struct StuckThread: Hashable {
        let process: ProcessIdentity
        let tid: Int32
    }

    private func look(_ waitingSince: inout [StuckThread: ContinuousClock.Instant]) {
        guard let mappings = try? mapper.inspect() else { return }
        var stuck: [StuckThread: ContinuousClock.Instant] = [:]
        for mapping in mappings {
            guard let process = mapping.server, let connection = mapping.connection else { continue }
            for thread in ThreadState.all(of: process.pid) where Self.waitsForItself(thread) {
                let key = StuckThread(process: process, tid: thread.tid)
                let since = waitingSince[key] ?? .now
                stuck[key] = since
                if .now - since >= limit {
                    abort(mapping, connection, process, thread)
                    stuck[key] = .now
                    break
                }
            }
        }
        waitingSince = stuck
    }

    /// Whether a server's thread sleeps in a place where it waits for pages that only a server can write.
    static func waitsForItself(_ thread: ThreadState) -> Bool {
        thread.state == "D" && waitChannels.contains { thread.waitChannel.startsExactly(with: $0) }
    }

    /// The kernel functions in which reclaim and FUSE sleep; a wait for another disk, such as the log's, must not
    /// count.
    private static let waitChannels = [
        "folio_wait_writeback", "folio_wait_bit", "wait_on_page_writeback", "wait_on_page_bit", "balance_dirty_pages",
        "request_wait_answer", "fuse_", "__fuse_", "shrink_", "reclaim_throttle", "congestion_wait",
    ]

    private func abort(_ mapping: Mapping, _ connection: Int, _ process: ProcessIdentity, _ thread: ThreadState) {
        logger.error(
            """
            image server waits for its own writeback: aborting its FUSE connection; all I/O on the volume now fails, \
            its pod must be restarted; keep the server out of limited memory cgroups and give the service \
            CAP_SYS_RESOURCE
            """,
            metadata: [
                "mapping": "\(mapping.name)", "pid": "\(process.pid)", "tid": "\(thread.tid)",
                "wchan": "\(thread.waitChannel)", "connection": "\(connection)",
            ]
        )
        do throws(KernelError) {
            try mapper.fuseConnections().abort(connection)
        } catch {
            logger.critical("cannot abort a stuck FUSE connection", metadata: ["error": "\(error)"])
        }
    }
}
