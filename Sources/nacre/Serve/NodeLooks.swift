import Blocking
internal import ImageIO
internal import ImageMapping
internal import ImageServing
import NodeMapping
import RBD
import ServiceLifecycle
import Synchronization
import VolumeServer

/// Looks at a node's mappings and their servers again and again, so that whoever asks for metrics waits for none of them: a
/// server that is stopped does not answer for two seconds.
final class NodeLooks: Service {
    /// What one look has seen.
    struct Look {
        var mapped: [MapperKind: Int] = [:]
        /// Locked by this node.
        var held: UInt64 = 0
        var servers: UInt64 = 0
        /// Servers that do not move.
        var stopped: UInt64 = 0
        /// Mappings that neither a server nor its keeper is left of.
        var lost: UInt64 = 0
        /// Mappings of which an acknowledged write could not be stored.
        var failed: UInt64 = 0
        var inFlight = 0
        var unstableBytes: UInt64 = 0
        /// What was done since this process has begun to look.
        var io = IOStatistics()
    }

    private let servers: ImageServers
    private let pool = BlockingPool(threads: 1)
    private let look = Mutex(Look())
    private let counts = Mutex(ImageCounts())

    /// Below the half minute in which Prometheus asks.
    private static let interval = Duration.seconds(10)

    private let loop: Liveness.Loop

    init(stateDirectory: String, loop: Liveness.Loop) {
        servers = ImageServers(stateDirectory: stateDirectory)
        self.loop = loop
    }

    /// The last one.
    var current: Look { look.withLock(\.self) }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.pool.run { self.lookAgain() }
                self.loop.goesOn()
                try? await Task.sleep(for: Self.interval)
            }
        }
        loop.rests()
    }

    private func lookAgain() {
        var look = Look()
        var said: [String: IOStatistics?] = [:]
        for mapping in servers.mappings() {
            loop.goesOn()
            look.mapped[mapping.mapper, default: 0] += 1
            if mapping.isHeld { look.held += 1 }
            guard let status = servers.status(of: mapping.image) else { continue }
            if status.server != nil { look.servers += 1 }
            if status.stall != nil { look.stopped += 1 }
            if status.server == nil, status.keeper == nil { look.lost += 1 }
            if status.failure != nil { look.failed += 1 }
            said[mapping.image.fileName] = .some(status.statistics)
            look.inFlight += status.statistics?.inFlight ?? 0
            look.unstableBytes += status.statistics?.unstableBytes ?? 0
        }
        look.io = counts.withLock { $0.add(said) }
        self.look.withLock { $0 = look }
    }
}

/// Sums what servers count, each since its image was mapped, to counters that never go back when an image goes.
struct ImageCounts {
    private var last: [String: IOStatistics] = [:]
    private var sums = IOStatistics()
    /// What was done before the first look is nobody's news: another process may have told it.
    private var hasLooked = false

    /// Adds what was done since the last look.
    ///
    /// - Parameter said: What the server of each mapped image says, by the name of its mapping; nothing of one that does not
    ///   answer now.
    /// - Returns: The sums.
    mutating func add(_ said: [String: IOStatistics?]) -> IOStatistics {
        let fields: [WritableKeyPath<IOStatistics, UInt64>] = [
            \.reads, \.readBytes, \.writes, \.writeBytes, \.flushes, \.errors, \.successions,
        ]
        for case (let image, let now?) in said {
            let before = last[image] ?? (hasLooked ? IOStatistics() : now)
            for field in fields {
                // Less than before: unmapped and mapped again in between.
                let new = now[keyPath: field], old = before[keyPath: field]
                sums[keyPath: field] += new >= old ? new - old : new
            }
            last[image] = now
        }
        last = last.filter { said.keys.contains($0.key) }
        hasLooked = true
        return sums
    }
}
