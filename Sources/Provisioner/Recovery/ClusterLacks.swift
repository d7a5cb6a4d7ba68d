package import KubernetesAPI

/// What PersistentVolumes name and a Kubernetes does not have: classes and Secrets; each is asked for once.
package struct ClusterLacks: Sendable {
    private let client: KubernetesClient
    private var classes: [String: Bool] = [:]
    private var secrets: [SecretReference: Bool] = [:]

    /// Nothing is known yet.
    ///
    /// - Parameter client: As somebody who may read classes; where Secrets may not be read, none is missed.
    package init(_ client: KubernetesClient) {
        self.client = client
    }

    /// Asks for what a volume names, unless it is known.
    ///
    /// - Throws: `KubernetesError` when it cannot be told.
    package mutating func look(for record: VolumeRecord) async throws(KubernetesError) {
        if classes[record.className] == nil {
            classes[record.className] = try await isThere(APIPath.storageClass(record.className))
        }
        for secret in record.secrets where secrets[secret] == nil {
            secrets[secret] = try await isThere(APIPath.secret(secret.namespace, secret.name))
        }
    }

    /// What lacks for a volume, a sentence each.
    package func words(for record: VolumeRecord) -> [String] {
        var words: [String] = []
        if classes[record.className] == false {
            words.append(
                "there is no class '\(record.className)': the volume works without it, but grows only with it; make it as it "
                    + "was"
            )
        }
        for secret in record.secrets where secrets[secret] == false {
            words.append("there is no Secret \(secret), without which nothing reaches Ceph; make it before pods start")
        }
        return words
    }

    private func isThere(_ path: String) async throws(KubernetesError) -> Bool {
        do throws(KubernetesError) {
            // What a Secret holds is dropped here.
            _ = try await client.call(.get(path))
            return true
        } catch {
            guard let status = error.status else { throw error }
            if status.isNotFound { return false }
            guard status.code == 403 else { throw error }
            return true
        }
    }
}
