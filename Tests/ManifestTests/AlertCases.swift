import KubernetesAPI
import Provisioner

/// Something that happens to a cluster that is well, and which alerts tell of it.
struct AlertCase: Sendable, CustomStringConvertible {
    let description: String
    /// Jobs of which nothing is heard.
    var silent: [String] = []
    /// Series and their values, a minute each, in promtool's notation.
    ///
    /// Those of others, of ours that the recording lacks, and in place of those that it has by the same name and labels.
    var series: [(String, String)] = []
    /// Minutes after which is looked.
    var minutes = 170
    /// The alerts that fire then; all others are silent.
    var fires: [String] = []
}

extension AlertCase {
    private static let controller = #"namespace="nacre",pod="nacre-controller-0",job="nacre-controller",node="w1""#
    private static let agent = #"namespace="nacre",pod="nacre-node-0",job="nacre-node",node="w2""#
    private static let claim = #"namespace="db",persistentvolumeclaim="pgdata-0""#
    private static let provision = "controller_persistentvolumeclaim_provision_failed_total"
    private static let delete = "controller_persistentvolume_delete_failed_total"
    private static let expand = "nacre_volume_expand_failed_total"
    private static let often = "0+1x180"

    /// How often one claim has failed by each minute, tried as the controller tries it.
    ///
    /// - Parameters:
    ///   - minutes: How long it fails; then it is served.
    ///   - waits: The seconds between two tries: by the settings' own back-off with the longest jitter, where nothing is said.
    /// - Returns: Values, a minute each, in promtool's notation.
    private static func retried(forMinutes minutes: Int = 180, everySeconds waits: Double? = nil) -> String {
        let settings = DriverSettings()
        var backoff = Backoff(first: settings.firstRetry, longest: settings.longestRetry, jitter: 0)
        var seconds = [0.0]
        while let last = seconds.last, last < Double(minutes * 60) {
            seconds.append(last + (waits ?? backoff.next() / .seconds(1) * 1.2))
        }
        seconds.removeLast()
        return (0...180).map { minute in "\(seconds.count { $0 <= Double(minute * 60) })" }.joined(separator: " ")
    }

    /// What cannot be made is tried so often.
    private static let rarely = DriverSettings().longestRetry / .seconds(1)
    private static let once = "0x20 1x160"

    /// What others say of a cluster that is well: kubelet, kube-state-metrics and Prometheus.
    static let well: [(String, String)] = [
        // Of ours, but nothing failed where they were recorded.
        (#"\#(delete){\#(controller),class="other"}"#, "0x180"),
        (#"\#(expand){\#(controller),class="other"}"#, "0x180"),
        (#"kube_daemonset_status_number_unavailable{namespace="nacre",daemonset="nacre-node"}"#, "0x180"),
        (#"kube_daemonset_status_number_unavailable{namespace="kube-system",daemonset="other"}"#, "3x180"),
        (#"up{job="nacre-node",namespace="nacre",node="w2"}"#, "1x180"),
        (#"up{job="other",namespace="nacre",node="w2"}"#, "0x180"),
        ("kubelet_volume_stats_capacity_bytes{\(claim)}", "1000x180"),
        ("kubelet_volume_stats_available_bytes{\(claim)}", "500x180"),
        ("kubelet_volume_stats_used_bytes{\(claim)}", "500x180"),
        (#"kube_persistentvolumeclaim_info{\#(claim),storageclass="postgres"}"#, "1x180"),
        (#"kube_storageclass_info{storageclass="postgres",provisioner="rbd.nacre.io"}"#, "1x180"),
    ]

    static let all: [AlertCase] = [
        AlertCase(description: "all is well"),

        AlertCase(
            description: "no controller answers, and agents live",
            silent: ["nacre-controller"],
            minutes: 6,
            fires: ["NacreControllerAbsent"]
        ),
        AlertCase(description: "no controller answers, for a moment", silent: ["nacre-controller"], minutes: 3),
        AlertCase(
            description: "a controller stands by",
            series: [(#"nacre_controller_leading{namespace="nacre",pod="nacre-controller-1"}"#, "0x180")]
        ),
        AlertCase(
            description: "no controller leads",
            series: [("nacre_controller_leading{\(controller)}", "0x180")],
            fires: ["NacreControllerWithoutLeader"]
        ),

        AlertCase(
            description: "a class cannot be served",
            series: [(#"\#(provision){\#(controller),class="postgres",source=""}"#, often)],
            fires: ["NacreProvisioningFails"]
        ),
        AlertCase(
            description: "one claim fails for ever",
            series: [(#"\#(provision){\#(controller),class="postgres",source=""}"#, retried())],
            minutes: 40,
            fires: ["NacreProvisioningFails"]
        ),
        AlertCase(
            description: "one claim can never be served",
            series: [(#"\#(provision){\#(controller),class="postgres",source=""}"#, retried(everySeconds: rarely))],
            fires: ["NacreProvisioningFails"]
        ),
        AlertCase(
            description: "one claim waits for eight minutes",
            series: [(#"\#(provision){\#(controller),class="postgres",source=""}"#, retried(forMinutes: 8))],
            minutes: 25
        ),
        AlertCase(
            description: "one claim failed once",
            series: [(#"\#(provision){\#(controller),class="postgres",source=""}"#, once)]
        ),
        AlertCase(
            description: "volumes cannot be deleted",
            series: [(#"\#(delete){\#(controller),class="postgres"}"#, often)],
            fires: ["NacreDeletingFails"]
        ),
        AlertCase(
            description: "one volume was not deleted at the first try",
            series: [(#"\#(delete){\#(controller),class="postgres"}"#, once)]
        ),
        AlertCase(
            description: "volumes cannot grow",
            series: [(#"\#(expand){\#(controller),class="postgres"}"#, often)],
            fires: ["NacreExpandingFails"]
        ),
        AlertCase(
            description: "one volume fails to grow for ever",
            series: [(#"\#(expand){\#(controller),class="postgres"}"#, retried())],
            minutes: 40,
            fires: ["NacreExpandingFails"]
        ),
        AlertCase(
            description: "one volume can never grow",
            series: [(#"\#(expand){\#(controller),class="postgres"}"#, retried(everySeconds: rarely))],
            fires: ["NacreExpandingFails"]
        ),
        AlertCase(
            description: "one volume is never deleted",
            series: [(#"\#(delete){\#(controller),class="postgres"}"#, retried())],
            fires: ["NacreDeletingFails"]
        ),
        AlertCase(
            description: "one volume did not grow at the first try",
            series: [(#"\#(expand){\#(controller),class="postgres"}"#, once)]
        ),

        AlertCase(
            description: "an operation of the controller gets nowhere",
            series: [(#"nacre_operation_oldest_seconds{\#(controller),side="controller"}"#, "0+60x180")],
            fires: ["NacreOperationStuck"]
        ),
        AlertCase(
            description: "an operation of a node gets nowhere",
            series: [(#"nacre_operation_oldest_seconds{\#(agent),side="node"}"#, "0+60x180")],
            fires: ["NacreOperationStuck"]
        ),
        AlertCase(
            description: "operations take minutes, one after the other",
            series: [
                (
                    #"nacre_operation_oldest_seconds{\#(agent),side="node"}"#,
                    Array(repeating: "0 120 240 360 30", count: 36).joined(separator: " ")
                )
            ]
        ),
        AlertCase(
            description: "an image stays in the trash",
            series: [("nacre_trash_blocked{\(controller)}", "1x180")],
            fires: ["NacreTrashBlocked"]
        ),
        AlertCase(
            description: "an image stays in the trash for half an hour",
            series: [("nacre_trash_blocked{\(controller)}", "1x30 0x150")]
        ),

        AlertCase(
            description: "an agent is down",
            series: [(#"kube_daemonset_status_number_unavailable{namespace="nacre",daemonset="nacre-node"}"#, "1x180")],
            fires: ["NacreNodeAgentDown"]
        ),
        AlertCase(
            description: "an agent does not answer, and nobody counts pods",
            series: [
                (#"kube_daemonset_status_number_unavailable{namespace="nacre",daemonset="nacre-node"}"#, "_x180"),
                (#"up{job="nacre-node",namespace="nacre",node="w2"}"#, "0x180"),
            ],
            fires: ["NacreNodeAgentDown"]
        ),
        AlertCase(
            description: "an agent is replaced",
            series: [
                (
                    #"kube_daemonset_status_number_unavailable{namespace="nacre",daemonset="nacre-node"}"#,
                    "0x10 1x8 0x160"
                )
            ]
        ),

        AlertCase(
            description: "a node was fenced",
            series: [("nacre_image_devices_lost{\(agent)}", "1x180")],
            fires: ["NacreDeviceLost"]
        ),
        AlertCase(
            description: "a server and its keeper are replaced",
            series: [("nacre_image_devices_lost{\(agent)}", "0x10 1 0x169")]
        ),
        AlertCase(
            description: "an acknowledged write was lost",
            series: [("nacre_image_writes_lost{\(agent)}", "0x165 1x15")],
            fires: ["NacreWritesLost"]
        ),
        AlertCase(
            description: "a server is stopped",
            series: [("nacre_image_servers_stopped{\(agent)}", "1x180")],
            fires: ["NacreServerStopped"]
        ),
        AlertCase(
            description: "a server is stopped for a moment",
            series: [("nacre_image_servers_stopped{\(agent)}", "0x10 1 0x169")]
        ),
        AlertCase(
            description: "requests fail",
            series: [("nacre_image_errors_total{\(agent)}", "0x165 7x15")],
            fires: ["NacreImageErrors"]
        ),
        AlertCase(
            description: "requests failed two hours ago",
            series: [("nacre_image_errors_total{\(agent)}", "0x20 7x160")]
        ),
        AlertCase(
            description: "servers die again and again",
            series: [("nacre_image_servers_replaced_total{\(agent)}", often)],
            fires: ["NacreServersDie"]
        ),
        AlertCase(
            description: "one server died",
            series: [("nacre_image_servers_replaced_total{\(agent)}", "0x165 1x15")]
        ),
        AlertCase(
            description: "this node has fenced another",
            series: [(#"nacre_fences_total{\#(agent),client="other"}"#, "3x165 4x15")],
            fires: ["NacreNodeFenced"]
        ),
        AlertCase(
            description: "this node has fenced its own dead server",
            series: [(#"nacre_fences_total{\#(agent),client="own"}"#, "3x165 4x15")]
        ),

        AlertCase(
            description: "a volume of any class of ours is nearly full",
            series: [("kubelet_volume_stats_available_bytes{\(claim)}", "49x180")],
            fires: ["NacreVolumeFillsUp"]
        ),
        AlertCase(
            description: "a volume of a driver of another name is nearly full",
            series: [
                ("kubelet_volume_stats_available_bytes{\(claim)}", "49x180"),
                (#"kube_storageclass_info{storageclass="postgres",provisioner="rbd.nacre.io"}"#, "_x180"),
                (#"kube_storageclass_info{storageclass="postgres",provisioner="rbd.example.com"}"#, "1x180"),
                (#"nacre_build_info{\#(controller),driver="rbd.example.com",version="0.1.0"}"#, "1x180"),
            ],
            fires: ["NacreVolumeFillsUp"]
        ),
        AlertCase(
            description: "a volume of somebody else's class is full",
            series: [
                ("kubelet_volume_stats_available_bytes{\(claim)}", "0x180"),
                (#"kube_storageclass_info{storageclass="postgres",provisioner="rbd.nacre.io"}"#, "_x180"),
                (#"kube_storageclass_info{storageclass="postgres",provisioner="rbd.csi.ceph.com"}"#, "1x180"),
            ]
        ),
        AlertCase(
            description: "a raw block volume, of which kubelet knows no room",
            series: [
                ("kubelet_volume_stats_available_bytes{\(claim)}", "0x180"),
                ("kubelet_volume_stats_used_bytes{\(claim)}", "0x180"),
            ]
        ),
    ]
}
