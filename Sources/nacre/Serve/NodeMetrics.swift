import NodeMapping
import RBD
import Synchronization
import VolumeServer

/// The gauges of a node's image servers, summed over its images.
enum NodeMetrics {
    static func register(stateDirectory: String, in registry: MetricsRegistry) {
        let servers = ServerSums(ImageServers(stateDirectory: stateDirectory))
        let gauges: [(name: String, help: String, read: @Sendable (ServerSums.Sums) -> UInt64)] = [
            ("nacre_image_servers", "Images that have a server process.", { $0.servers }),
            (
                "nacre_image_servers_replaced", "Servers that died and were replaced, of images that are mapped.",
                { $0.io.successions }
            ),
            ("nacre_image_requests_in_flight", "Requests of image servers under way.", { UInt64($0.io.inFlight) }),
            (
                "nacre_image_unstable_bytes", "Acknowledged bytes that are not on stable storage yet.",
                { $0.io.unstableBytes }
            ),
            ("nacre_image_reads", "Reads done by image servers.", { $0.io.reads }),
            ("nacre_image_read_bytes", "Bytes read by image servers.", { $0.io.readBytes }),
            ("nacre_image_writes", "Writes done by image servers.", { $0.io.writes }),
            ("nacre_image_write_bytes", "Bytes written by image servers.", { $0.io.writeBytes }),
            ("nacre_image_errors", "Requests to image servers that failed.", { $0.io.errors }),
        ]
        for gauge in gauges {
            let read = gauge.read
            registry.registerGauge(gauge.name, gauge.help) { Double(read(servers.current)) }
        }
    }
}

/// What the servers say, asked once for all gauges of one look.
private final class ServerSums: Sendable {
    struct Sums {
        var servers: UInt64 = 0
        var io = IOStatistics()
    }

    private let servers: ImageServers
    private let last = Mutex<(at: ContinuousClock.Instant, sums: Sums)?>(nil)

    /// Longer than the gauges of one look take, shorter than the time between two looks.
    private static let shelfLife = Duration.seconds(1)

    init(_ servers: ImageServers) { self.servers = servers }

    var current: Sums {
        if let fresh = last.withLock({ $0 }), .now - fresh.at < Self.shelfLife { return fresh.sums }
        var sums = Sums()
        for image in servers.images() {
            guard let status = servers.status(of: image) else { continue }
            if status.server != nil { sums.servers += 1 }
            if let io = status.statistics { sums.io.add(io) }
        }
        last.withLock { $0 = (.now, sums) }
        return sums
    }
}
