import CephVolumes
import Provisioner
import Secrets
import Volumes

/// Finds the Ceph user that a volume's Secret names.
protocol NodeSecrets: Sendable {
    /// The user of a Secret; the node's own user if none is named.
    func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials
}

extension CephSecrets: NodeSecrets {}

/// For a node without an API server: one user for all volumes, from a directory.
struct DirectorySecrets: NodeSecrets {
    let own: ServiceCredentials

    func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials {
        try own.read()
    }
}
