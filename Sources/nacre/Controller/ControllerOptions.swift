import ArgumentParser
import Controller
import Provisioner

/// The options of `nacre controller run` in addition to those of `nacre serve`.
struct ControllerOptions: ParsableArguments {
    @Option(
        name: .customLong("kubeconfig"),
        help: "A kubeconfig; without one the pod's own service account (KUBECONFIG).",
        completion: .file()
    )
    var givenKubeconfig: String?

    /// The kubeconfig, as given or by the environment.
    var kubeconfig: String? { givenKubeconfig ?? Environment.value("KUBECONFIG") }

    @Option(help: "The kubeconfig's context; its current one without.")
    var context: String?

    @Flag(help: "Obey insecure-skip-tls-verify of the kubeconfig: Secrets may then go to anyone.")
    var insecureSkipTLSVerify = false

    @Option(help: "Namespace of the lease; the pod's own without.")
    var leaseNamespace: String?

    @Option(help: "This process' name on the lease; the host's name and a random part without.")
    var identity: String?

    @Option(help: "After which time another takes a lease over that is not renewed (5s to 10m).", transform: timeLimit)
    var leaseDuration = TimeLimit(seconds: 15)

    @Option(help: "Claims, expansions or volumes worked on at once, of each (1 to 256).")
    var parallel = 48

    @Option(help: "What FlexVolume sources name as their driver.")
    var flexDriver = "nacre.io/rbd"

    @Flag(inversion: .prefixedNo, help: "Tell the scheduler how much room classes have that wait for a consumer.")
    var storageCapacity = true

    /// What the controller is told, beside the options that every service has.
    func settings(_ serve: ServeOptions) -> ControllerSettings {
        var settings = ControllerSettings(
            version: Nacre.version,
            leaseDuration: leaseDuration.duration,
            tellsCapacity: storageCapacity
        )
        settings.driver.driverName = serve.driverName
        settings.driver.flexDriver = flexDriver
        settings.driver.parallel = parallel
        settings.secretDirectory = serve.secretDir
        settings.leaseNamespace = leaseNamespace
        settings.holder = identity
        if let name = Environment.value("POD_NAME"), let namespace = Environment.value("POD_NAMESPACE") {
            settings.pod = ControllerSettings.Pod(name: name, namespace: namespace)
        }
        return settings
    }

    mutating func validate() throws {
        if let refusal = leaseDuration.refusal(outside: 5...600, "--lease-duration") { throw refusal }
        guard (1...256).contains(parallel) else { throw ValidationError("--parallel must be 1 to 256") }
    }
}
