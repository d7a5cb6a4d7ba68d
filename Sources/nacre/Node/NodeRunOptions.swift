import ArgumentParser

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

    @Flag(inversion: .prefixedNo, help: "Install the driver's program at the start.")
    var install = true
}
