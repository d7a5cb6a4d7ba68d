import CephVolumes
import Secrets
import Volumes

/// Finds the Ceph user that a volume's Secret names.
protocol NodeSecrets: Sendable {
    /// Reads a Secret; of none, the node's own user.
    func credentials(_ reference: FlexOptions.SecretReference?) async throws(VolumeError) -> Credentials
}

/// A node that has one Secret in a directory, for all volumes.
struct DirectorySecrets: NodeSecrets {
    let own: ServiceCredentials

    func credentials(_ reference: FlexOptions.SecretReference?) async throws(VolumeError) -> Credentials {
        try own.read()
    }
}
