import ArgumentParser

/// Which volumes are recovered, and what is said of those whose images do not say it.
struct RecoverOptions: ParsableArguments {
    @Option(help: "The pool of the images.", completion: Completion.pools)
    var pool: String

    @Option(help: "The cluster's clusterID in config.json; all without.", completion: Completion.clusters)
    var cluster: String?

    @Option(
        name: .customLong("of-cluster"),
        help: ArgumentHelp(
            "The id of a Kubernetes that is lost: its volumes are wanted; may be repeated.",
            discussion: "The uid of its namespace kube-system; the plan shows which ids the images name.",
            valueName: "uid"
        )
    )
    var clusters: [String] = []

    @Option(
        name: .customLong("image"),
        help: ArgumentHelp(
            "This image alone, also if it does not say which Kubernetes has it; may be repeated.",
            valueName: "name"
        )
    )
    var images: [String] = []

    @Option(
        name: .customLong("class"),
        help: ArgumentHelp("The class of volumes whose images do not say it: it is read there.", valueName: "name")
    )
    var className: String?

    @Option(
        name: .customLong("access-mode"),
        help: "The access mode of volumes whose images do not say it (default: ReadWriteOnce); may be repeated."
    )
    var accessModes: [ClaimAccessMode] = []

    @Option(help: "What volumes are whose images do not say it.")
    var volumeMode: VolumeModeChoice?

    @Option(help: "The reclaim policy that all get; the one that they were made with without.")
    var reclaimPolicy: ReclaimPolicyChoice?

    @Option(help: "A kubeconfig; without one the pod's own service account (KUBECONFIG).", completion: .file())
    var kubeconfig: String?

    @Option(help: "The kubeconfig's context; its current one without.")
    var context: String?
}

/// Kubernetes' access modes by its names.
enum ClaimAccessMode: String, ExpressibleByArgument, CaseIterable, Sendable {
    case readWriteOnce = "ReadWriteOnce"
    case readWriteOncePod = "ReadWriteOncePod"
    case readOnlyMany = "ReadOnlyMany"
    case readWriteMany = "ReadWriteMany"
}

/// Kubernetes' volume modes.
enum VolumeModeChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
    case filesystem = "Filesystem"
    case block = "Block"
}

/// Kubernetes' reclaim policies, without the one that nobody follows any more.
enum ReclaimPolicyChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
    case retain = "Retain"
    case delete = "Delete"
}
