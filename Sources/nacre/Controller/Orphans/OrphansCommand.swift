import ArgumentParser

/// `nacre controller orphans`: images that no object of a Kubernetes cluster names.
struct OrphansCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "orphans",
        abstract: "See which images no claim and no PersistentVolume has, and remove those that are named.",
        discussion: """
            Images of the form that volumes have, of the clusters of config.json, whose UUID is nowhere in a claim or a \
            PersistentVolume of this Kubernetes. An image says which Kubernetes made it: those of another one, and those that \
            do not say, are shown apart and never removed. A backup of the objects, or a person, may still want the \
            others: nothing is removed but by name.

            EXAMPLES
              nacre controller orphans list --pool replicapool
              nacre controller orphans remove --pool replicapool \\
                --image csi-vol-5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10
            """,
        subcommands: [OrphansList.self, OrphansRemove.self]
    )
}

/// How the API server is found, for a command.
struct OrphansOptions: ParsableArguments {
    @Option(
        name: .customLong("kubeconfig"),
        help: "A kubeconfig; without one the pod's own service account (KUBECONFIG).",
        completion: .file()
    )
    var kubeconfig: String?

    @Option(help: "The kubeconfig's context; its current one without.")
    var context: String?

    @Option(help: "The cluster's clusterID in config.json; all of them without.", completion: Completion.clusters)
    var cluster: String?
}
