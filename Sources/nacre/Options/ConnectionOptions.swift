import ArgumentParser
import CephVolumes
import Secrets
import Volumes

/// Where the commands take effect, and as which user.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "The service's UNIX socket (NACRE_SOCKET).", completion: .file())
    var socket = Environment.value("NACRE_SOCKET") ?? "/run/nacre/nacre.sock"

    @Flag(help: "Work on Ceph from this process, without the service; needs --config and --secret-dir.")
    var direct = false

    @OptionGroup var ceph: CephOptions

    var config: String { ceph.config }
    var secretDir: String? { ceph.secretDir }

    /// The user of the Secret that `--secret-dir` names; keys are never arguments.
    func credentials() throws -> Credentials { try ceph.credentials() }
}

/// Which clusters there are, as which user, and for how long: all that a command needs which works on Ceph itself.
struct CephOptions: ParsableArguments {
    @Option(
        help: "ceph-csi's config.json: which clusters there are (NACRE_CONFIG).",
        completion: .file(extensions: ["json"])
    )
    var config = Environment.value("NACRE_CONFIG") ?? "/etc/ceph-csi-config/config.json"

    @Option(
        name: .customLong("secret-dir"),
        help: ArgumentHelp(
            "Directory with the files userID and userKey of a Ceph user (NACRE_SECRET_DIR).",
            discussion: """
                As Kubernetes mounts a ceph-csi Secret. csi-rbd-provisioner's is for create, expand and delete, \
                csi-rbd-node's for map and mount.
                """,
            valueName: "directory"
        ),
        completion: .directory
    )
    var givenSecretDir: String?

    @Option(
        help: "How long the command may take: 60s, 5m, 1h; the service goes on, and the same command again joins it.",
        transform: timeLimit
    )
    var timeout = TimeLimit(seconds: 60)

    /// The Secret's directory, as given or by the environment.
    var secretDir: String? { givenSecretDir ?? Environment.value("NACRE_SECRET_DIR") }

    /// The user of the Secret that `--secret-dir` names; keys are never arguments.
    func credentials() throws -> Credentials {
        guard let secretDir else {
            throw CommandFailure(
                .usage,
                "no Ceph user is given; name the directory with userID and userKey by --secret-dir or NACRE_SECRET_DIR"
            )
        }
        do throws(VolumeError) {
            return try ServiceCredentials(directory: secretDir).read()
        } catch {
            let fault = ["userID", "userKey"].lazy.compactMap { InputFile.fault("\(secretDir)/\($0)") }.first
            throw CommandFailure(
                fault?.status ?? .usage,
                "no Ceph user in '\(secretDir)': \(fault?.reason ?? error.message); name a directory as a ceph-csi Secret "
                    + "is mounted, by --secret-dir or NACRE_SECRET_DIR"
            )
        }
    }
}
