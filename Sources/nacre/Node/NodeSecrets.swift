import CephVolumes
import Provisioner
import Secrets
import Volumes

/// Finds the Ceph user that a volume's Secret names.
protocol NodeSecrets: Sendable {
    /// The user of a Secret; where none is named, the node's own.
    func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials
}

extension CephSecrets: NodeSecrets {}

/// A node without an API server to ask: one user for all volumes, from a directory.
struct DirectorySecrets: NodeSecrets {
    let own: ServiceCredentials

    func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials {
        try own.read()
    }
}
