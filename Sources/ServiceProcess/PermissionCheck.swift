package import KubernetesAPI
package import Logging
internal import Provisioner
internal import ServiceLifecycle

/// Checks once whether RBAC allows what a node's agent does; rights may be granted later, so the process continues
/// without them.
package struct PermissionCheck: Service {
    private let client: KubernetesClient
    private let logger: Logger

    package init(client: KubernetesClient, logger: Logger) {
        self.client = client
        self.logger = logger
    }

    package func run() async throws {
        do throws(KubernetesError) {
            logger.tell(missing: try await client.missing(of: SelfCheck.agent))
        } catch {
            logger.warning("cannot check what RBAC allows", metadata: ["reason": "\(error)"])
        }
        // A service that returns ends its group.
        try? await gracefulShutdown()
    }
}

extension Logger {
    /// Names what RBAC does not allow.
    package func tell(missing: [Permission]) {
        for permission in missing {
            error("RBAC does not allow what is needed", metadata: ["k8s.permission": "\(permission)"])
        }
    }
}
