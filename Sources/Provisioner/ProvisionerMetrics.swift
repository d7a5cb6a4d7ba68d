internal import CoreMetrics
internal import KubernetesAPI

/// Metrics with the names of external-provisioner's library, which operators already graph.
package enum ProvisionerMetrics {
    /// Describes each metric, which swift-metrics cannot do.
    package static func describe(_ tell: (_ name: String, _ help: String) -> Void) {
        let claim = "controller_persistentvolumeclaim_provision"
        tell(claim + "_total", "Claims that were given a volume.")
        tell(claim + "_failed_total", "Tries to give a claim a volume that failed.")
        tell(claim + "_duration_seconds", "Time that tries to give a claim a volume took.")
        let volume = "controller_persistentvolume_delete"
        tell(volume + "_total", "Volumes that were deleted.")
        tell(volume + "_failed_total", "Tries to delete a volume that failed.")
        tell(volume + "_duration_seconds", "Time that tries to delete a volume took.")
        tell("nacre_volume_expand_total", "Volumes that were grown.")
        tell("nacre_volume_expand_failed_total", "Tries to grow a volume that failed.")
        tell("nacre_volume_expand_duration_seconds", "Time that tries to grow a volume took.")
        tell("nacre_claim_bound_duration_seconds", "Time from a claim's volume to its being bound.")
    }

    static func provisioned(class name: String, from source: DataSource?, in duration: Duration, _ error: (any Error)?)
    {
        let dimensions = [("class", name), ("source", source?.kind ?? "")]
        let family = "controller_persistentvolumeclaim_provision"
        Counter(label: family + (error == nil ? "_total" : "_failed_total"), dimensions: dimensions).increment()
        record(family + "_duration_seconds", dimensions, duration)
    }

    static func deleted(class name: String, in duration: Duration, _ error: (any Error)?) {
        let dimensions = [("class", name)]
        let family = "controller_persistentvolume_delete"
        Counter(label: family + (error == nil ? "_total" : "_failed_total"), dimensions: dimensions).increment()
        record(family + "_duration_seconds", dimensions, duration)
    }

    static func expanded(class name: String, in duration: Duration, _ error: (any Error)?) {
        let family = "nacre_volume_expand"
        Counter(label: family + (error == nil ? "_total" : "_failed_total"), dimensions: [("class", name)]).increment()
        record(family + "_duration_seconds", [("class", name)], duration)
    }

    static func bound(in duration: Duration) {
        record("nacre_claim_bound_duration_seconds", [], duration)
    }

    private static func record(_ label: String, _ dimensions: [(String, String)], _ duration: Duration) {
        Timer(label: label, dimensions: dimensions).recordNanoseconds(Int64(duration / .nanoseconds(1)))
    }
}
