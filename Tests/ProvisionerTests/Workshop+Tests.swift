import Logging
import Secrets
import TestSupport
import Volumes

@testable import KubernetesAPI
@testable import Provisioner

extension Workshop {
    /// A workshop with a volume service and an API server at an address.
    static func forTests(_ service: any ControllerService, server: String) throws -> Workshop {
        let identity = ClusterIdentity(server: server, namespace: nil, fixed: ClusterIdentity.Parts())
        let client = try KubernetesClient(identity, userAgent: "t")
        return Workshop(
            settings: DriverSettings(),
            client: client,
            service: service,
            secrets: CephSecrets(client: client) { () throws(VolumeError) in
                Credentials(userID: "u", userKey: Secret("k"))
            },
            events: EventRecorder(client, component: "t", instance: "t"),
            claims: ObjectCache(indexes: [{ $0.className }, { Workshop.sourceKey(of: $0) }]),
            volumes: ObjectCache(indexes: [{ _ in nil }, { _ in nil }]),
            classes: ObjectCache(),
            observer: nil,
            agents: AgentSurvey(client, namespace: "nacre"),
            logger: Logger(label: "t") { _ in SilentLog() }
        )
    }
}
