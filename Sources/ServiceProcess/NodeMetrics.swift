internal import ImageIO
internal import ImageMapping
internal import ImageOwnership
internal import NodeMapping
internal import RBD
package import VolumeServer
package import Volumes

/// A node's mappings, its image servers' I/O and its fences; the servers' values are summed over images.
package enum NodeMetrics {
    package static func register(
        _ node: NodeStack,
        _ looks: NodeLooks,
        stateDirectory: String,
        in registry: MetricsRegistry
    ) {
        for mapper in MapperKind.allCases {
            registry.registerGauge("nacre_images_mapped", "Images mapped on this node.", [("mapper", "\(mapper)")]) {
                Double(looks.current.mapped[mapper] ?? 0)
            }
        }
        let gauges: [(name: String, help: String, read: @Sendable (NodeLooks.Look) -> UInt64)] = [
            ("nacre_images_held", "Images that this node has locked, so that no other writes to them.", { $0.held }),
            ("nacre_image_servers", "Images that have a server process.", { $0.servers }),
            (
                "nacre_image_servers_stopped", "Images whose server does not move: their I/O stands still.",
                { $0.stopped }
            ),
            (
                "nacre_image_devices_lost",
                "Images mapped here that nothing serves any more, so that their I/O fails: the node was fenced.",
                { $0.lost }
            ),
            (
                "nacre_image_writes_lost",
                "Images mapped here of which an acknowledged write could not be stored, so that every flush fails.",
                { $0.failed }
            ),
            ("nacre_image_requests_in_flight", "Requests of image servers under way.", { UInt64($0.inFlight) }),
            (
                "nacre_image_unstable_bytes", "Acknowledged bytes that are not on stable storage yet.",
                { $0.unstableBytes }
            ),
        ]
        for gauge in gauges {
            let read = gauge.read
            registry.registerGauge(gauge.name, gauge.help) { Double(read(looks.current)) }
        }
        let counters: [(name: String, help: String, read: @Sendable (IOStatistics) -> UInt64)] = [
            ("nacre_image_servers_replaced_total", "Servers that died and were replaced.", { $0.successions }),
            ("nacre_image_reads_total", "Reads done by image servers.", { $0.reads }),
            ("nacre_image_read_bytes_total", "Bytes read by image servers.", { $0.readBytes }),
            ("nacre_image_writes_total", "Writes done by image servers.", { $0.writes }),
            ("nacre_image_written_bytes_total", "Bytes written by image servers.", { $0.writeBytes }),
            ("nacre_image_flushes_total", "Flushes asked of image servers.", { $0.flushes }),
            ("nacre_image_errors_total", "Requests to image servers that failed.", { $0.errors }),
        ]
        for counter in counters {
            let read = counter.read
            registry.registerCounter(counter.name, counter.help) { Double(read(looks.current.io)) }
        }
        let fences = FenceTally(stateDirectory: stateDirectory)
        for whose in FenceTally.Whose.allCases {
            registry.registerCounter(
                "nacre_fences_total",
                "Dead Ceph clients that this node has fenced.",
                [("client", whose.rawValue)]
            ) { Double(fences.count(whose)) }
        }
        OperationMetrics.register(node.operations, side: "node", in: registry)
    }
}

/// The number and age of operations, of the controller or of the node.
package enum OperationMetrics {
    package static func register(
        _ operations: Operations,
        side: String,
        in registry: MetricsRegistry
    ) {
        let labels = [("side", side)]
        registry.registerGauge("nacre_operations_in_progress", "Volume operations under way.", labels) {
            Double(operations.underWay.count)
        }
        registry.registerGauge(
            "nacre_operation_oldest_seconds",
            "Age of the oldest volume operation under way.",
            labels
        ) { Double(operations.underWay.first?.age.components.seconds ?? 0) }
    }
}
