internal import Blocking
internal import CephVolumes
package import VolumeServer
internal import Volumes

/// The metrics of threads, connections, operations and the trash.
package enum ServiceMetrics {
    package static func register(_ stack: ControllerStack, _ trash: TrashRounds, in registry: MetricsRegistry) {
        let connections = stack.connections
        let purger = stack.purger
        let flattener = stack.flattener
        let gauges: [(name: String, help: String, read: @Sendable () -> Int)] = [
            ("nacre_ceph_connections", "Connections to Ceph.", { connections.descriptions.count }),
            (
                "nacre_pool_threads_running", "Blocking Ceph calls that run now.",
                { connections.loads.reduce(0) { $0 + $1.running } }
            ),
            (
                "nacre_pool_threads_waiting",
                "Ceph calls that may be waiting for another client, such as for its lock.",
                { connections.waitingLoads.reduce(0) { $0 + $1.running } }
            ),
            (
                "nacre_pool_queue_length", "Blocking Ceph calls that wait for a thread.",
                { connections.loads.reduce(0) { $0 + $1.queued } }
            ),
            ("nacre_trash_waiting", "Deleted images that wait for the purger.", { purger.status.waiting }),
            ("nacre_trash_removing", "Deleted images that the purger removes now.", { purger.status.running.count }),
            (
                "nacre_trash_blocked", "Deleted images that something keeps from removal.",
                { purger.status.blocked.count }
            ),
            (
                "nacre_trash_oldest_seconds", "Age of the oldest deleted image that is due and not removed yet.",
                { Int(purger.status.oldest.components.seconds) }
            ),
            (
                "nacre_trash_standstill_seconds", "Longest time for which a removal under way has got no further.",
                { Int(purger.status.running.map(\.standstill).max()?.components.seconds ?? 0) }
            ),
            (
                "nacre_trash_removal_crashes", "Ends of processes that removed images, other than by our wish.",
                { purger.status.crashes }
            ),
            ("nacre_trash_kept", "Deleted images that are kept until their time.", { trash.kept }),
            (
                "nacre_kept_images", "Images of deleted volumes that are kept for their snapshots or clones.",
                { trash.keptForSnapshots }
            ),
            (
                "nacre_flatten_waiting", "Clones below too many others that wait to be flattened.",
                { flattener.status.waiting }
            ),
            (
                "nacre_flatten_objects_done", "Objects done of the clones that are being flattened.",
                { Int(clamping: flattener.status.objectsDone) }
            ),
            (
                "nacre_flatten_objects", "Objects in all of the clones that are being flattened.",
                { Int(clamping: flattener.status.objectsInAll) }
            ),
            (
                "nacre_trash_unread", "Pools and users for which the trash could not be looked into.",
                { trash.failures.count }
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
