internal import JSON
internal import KubernetesAPI
internal import LinuxKernel
package import Provisioner
package import Secrets
internal import Synchronization
package import Volumes

/// Secrets, and which of them this node has used: their names alone, for the service that comes after.
package final class NotedSecrets: NodeSecrets {
    private let secrets: any NodeSecrets
    private let path: String
    private let known: Mutex<[SecretReference?]>

    package init(_ secrets: any NodeSecrets, stateDirectory: String) {
        self.secrets = secrets
        path = "\(stateDirectory)/secret-names.json"
        let text = (try? KernelFile.bytes(path)) ?? []
        let names = (try? JSONValue(parsing: text))?.elements ?? []
        let used = names.compactMap { entry -> SecretReference? in
            guard let name = entry["name"]?.string, let namespace = entry["namespace"]?.string else { return nil }
            return SecretReference(name: name, namespace: namespace)
        }
        // The node's own user first.
        known = Mutex([nil] + used.map(Optional.some))
    }

    /// Those that were used, now or by an earlier service; nothing stands for the node's own user.
    var references: [SecretReference?] { known.withLock(\.self) }

    package func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials {
        let found = try await secrets.credentials(reference)
        note(reference)
        return found
    }

    private func note(_ reference: SecretReference?) {
        known.withLock { known in
            guard !known.contains(reference) else { return }
            known.append(reference)
            let names = known.compactMap(\.self).map { name -> JSONValue in
                ["name": .string(name.name), "namespace": .string(name.namespace)]
            }
            // Without it a lock is given back later, by a call.
            try? KernelFile.makeDirectories(String(path.dropLast("/secret-names.json".count)))
            try? KernelFile.replace(path, with: Array(JSONValue.array(names).bytes))
        }
    }
}
