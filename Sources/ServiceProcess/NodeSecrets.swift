package import CephVolumes
package import Provisioner
package import Secrets
package import Volumes

/// Finds the Ceph user that a volume's Secret names.
package protocol NodeSecrets: Sendable {
    /// The user of a Secret; the node's own user if none is named.
    func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials
}

extension CephSecrets: NodeSecrets {}

/// For a node without an API server: one user for all volumes, from a directory.
package struct DirectorySecrets: NodeSecrets {
    private let own: ServiceCredentials

    package init(own: ServiceCredentials) {
        self.own = own
    }

    package func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials {
        try own.read()
    }
}
