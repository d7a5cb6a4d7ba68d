internal import CoreMetrics

/// Counters under the names that operators graph already: those of external-provisioner's library.
enum ProvisionerMetrics {
    static func provisioned(class name: String, in duration: Duration, _ error: (any Error)?) {
        let dimensions = [("class", name), ("source", "")]
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
