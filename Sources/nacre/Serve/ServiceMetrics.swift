import Blocking
import CephVolumes
import VolumeServer
import Volumes

/// The gauges of what lies below the requests: threads, connections, operations, the trash.
enum ServiceMetrics {
    static func register(_ stack: ControllerStack, in registry: MetricsRegistry) {
        let connections = stack.connections
        let purger = stack.purger
        let gauges: [(name: String, help: String, read: @Sendable () -> Int)] = [
            ("nacre_ceph_connections", "Connections to Ceph.", { connections.descriptions.count }),
            (
                "nacre_pool_threads_running", "Blocking Ceph calls that run now.",
                { connections.loads.values.reduce(0) { $0 + $1.running } }
            ),
            (
                "nacre_pool_queue_length", "Blocking Ceph calls that wait for a thread.",
                { connections.loads.values.reduce(0) { $0 + $1.queued } }
            ),
            ("nacre_trash_waiting", "Deleted images that wait for the purger.", { purger.status.waiting }),
            ("nacre_trash_removing", "Deleted images that the purger removes now.", { purger.status.running }),
            (
                "nacre_trash_blocked", "Deleted images that something keeps from removal.",
                { purger.status.blocked.count }
            ),
        ]
        for gauge in gauges {
            let read = gauge.read
            registry.registerGauge(gauge.name, gauge.help) { Double(read()) }
        }
        registry.registerCounter(
            "nacre_ceph_blocklistings_total",
            "Clients of this process that Ceph has blocklisted, and that were replaced."
        ) { Double(connections.blocklistings) }
        registry.registerCounter("nacre_trash_removed_total", "Deleted images removed since the start.") {
            Double(purger.status.removed)
        }
        OperationMetrics.register(stack.operations, side: "controller", in: registry)
    }
}
