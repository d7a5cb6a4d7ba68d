import ArgumentParser
import KubernetesAPI
import Logging
import Provisioner

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
    func client(_ logger: Logger) throws -> KubernetesClient? { try APIAccess.client(kubeconfig: kubeconfig, logger) }
}

/// How commands of a node come to the API server.
enum APIAccess {
    /// Who we are to the API server; nothing when this is no pod and no kubeconfig is given.
    static func client(kubeconfig: String?, _ logger: Logger) throws -> KubernetesClient? {
        let identity: ClusterIdentity?
        do throws(IdentityError) {
            if let kubeconfig {
                identity = try ClusterIdentity.kubeconfig(at: kubeconfig, context: nil, allowsInsecure: false)
            } else {
                identity = try ClusterIdentity.inCluster(environment: Environment.value)
            }
        } catch {
            throw CommandFailure(kubeconfig.flatMap { InputFile.fault($0)?.status } ?? .usage, error.description)
        }
        guard let identity else { return nil }
        return try KubernetesClient(identity, userAgent: "nacre/\(Nacre.version)", warnings: ServerWarnings(logger))
    }
}
