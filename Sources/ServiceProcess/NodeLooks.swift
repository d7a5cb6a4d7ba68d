internal import Blocking
package import ImageIO
package import ImageMapping
internal import ImageServing
internal import NodeMapping
internal import RBD
internal import ServiceLifecycle
internal import Synchronization
package import VolumeServer

/// Reads the state of a node's mappings and servers periodically, so that a request for metrics does not wait for them:
/// a stopped server takes two seconds.
package final class NodeLooks: Service {
    /// What one look has seen.
    package struct Look {
        package var mapped: [MapperKind: Int] = [:]
        /// Locked by this node.
        package var held: UInt64 = 0
        package var servers: UInt64 = 0
        /// Servers that do not move.
        package var stopped: UInt64 = 0
        /// Mappings without a server and keeper.
        package var lost: UInt64 = 0
        /// Mappings of which an acknowledged write could not be stored.
        package var failed: UInt64 = 0
        package var inFlight = 0
        package var unstableBytes: UInt64 = 0
        /// Sums since this process started to read them.
        package var io = IOStatistics()
    }

    private let servers: ImageServers
    private let pool = BlockingPool(threads: 1)
    private let look = Mutex(Look())
    private let counts = Mutex(ImageCounts())

    /// Shorter than Prometheus' interval of 30 s.
    private static let interval = Duration.seconds(10)

    private let loop: Liveness.Loop

    package init(stateDirectory: String, loop: Liveness.Loop) {
        servers = ImageServers(stateDirectory: stateDirectory)
        self.loop = loop
    }

    /// The last one.
    package var current: Look { look.withLock(\.self) }

    package func run() async throws {
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

/// Sums the servers' counts, which start at zero with each mapping, to counters that do not decrease when an image is
/// unmapped.
package struct ImageCounts {
    private var last: [String: IOStatistics] = [:]
    private var sums = IOStatistics()
    /// Counts before the first read are skipped, because an earlier process may have reported them.
    private var hasLooked = false

    /// Adds what was done since the last look.
    ///
    /// - Parameter said: The statistics of each mapped image's server, by the name of its mapping; `nil` for one that
    ///   does not answer now.
    /// - Returns: The sums.
    package mutating func add(_ said: [String: IOStatistics?]) -> IOStatistics {
        let fields: [WritableKeyPath<IOStatistics, UInt64>] = [
            \.reads, \.readBytes, \.writes, \.writeBytes, \.flushes, \.errors, \.successions,
        ]
        for case (let image, let now?) in said {
            let before = last[image] ?? (hasLooked ? IOStatistics() : now)
            for field in fields {
                // Smaller than before: it was unmapped and mapped again in between.
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
