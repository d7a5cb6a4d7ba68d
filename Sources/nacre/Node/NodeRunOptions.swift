import ArgumentParser
import KubernetesAPI
import Logging
import NodeAgent

/// What `nacre node run` is told beyond what `nacre serve` is.
struct NodeRunOptions: ParsableArguments {
    @Option(help: "UNIX socket that the FlexVolume driver's program comes to.", completion: .file())
    var flexSocket = "/run/nacre/flex.sock"

    @Option(
        help: ArgumentHelp(
            "kubelet's --volume-plugin-dir, where the driver is installed.",
            discussion: "/home/kubernetes/flexvolume on GKE, /etc/kubernetes/volumeplugins on AKS."
        ),
        completion: .directory
    )
    var pluginDir = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec"

    @Option(help: "The driver's program; by default the nacre-flex beside this one.", completion: .file())
    var flexProgram: String?

    @Option(help: "kubelet's --root-dir.", completion: .directory)
    var kubeletDir = "/var/lib/kubelet"

    @Option(
        help: "A kubeconfig; without one the pod's own service account, and outside of a pod no API server is asked.",
        completion: .file()
    )
    var kubeconfig: String?

    @Flag(inversion: .prefixedNo, help: "Install the driver's program at the start.")
    var install = true
}

extension NodeRunOptions {
    /// What the agent is told, beside the options that every service has.
    func settings(_ serve: ServeOptions) -> AgentSettings {
        AgentSettings(
            driverName: serve.driverName,
            stateDirectory: serve.stateDir,
            secretDirectory: serve.secretDir,
            kubeletDirectory: kubeletDir,
            flexSocket: flexSocket
        )
    }

    /// `nil` when this is no pod and no kubeconfig is given.
    func client(_ logger: Logger) throws -> KubernetesClient? {
        try ClusterAccess(kubeconfig: kubeconfig).foundClient(logger)
    }
}
