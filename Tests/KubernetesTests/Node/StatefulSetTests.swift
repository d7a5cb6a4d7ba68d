import JSON
import KubernetesAPI
import TestSupport
import Testing

extension PodTests {
    @Test(
        "A StatefulSet of three keeps its claims and its data when it is scaled down and up again",
        arguments: Delivery.both
    )
    func statefulSet(delivery: Delivery) async throws {
        try await inNodeWorld(delivery: delivery) { world, _ in
            let path = "/apis/apps/v1/namespaces/\(world.name)/statefulsets"
            _ = try await world.client.call(.create(path, Self.postgres(class: world.name)))
            for ordinal in 0..<3 { try await world.waitReady("pg-\(ordinal)") }
            #expect(try await world.claims().count == 6)
            for ordinal in 0..<3 {
                _ = try await world.shell("pg-\(ordinal)", "hostname | dd of=/pgdata/who conv=fsync")
            }
            let before = Set(try await world.claims().map(\.volumeName))

            try await Self.scale(world, to: 1)
            try await eventually("two pods are gone") {
                let pods = try await world.client.call(.get("/api/v1/namespaces/\(world.name)/pods"))
                return pods["items"]?.elements.count == 1
            }
            #expect(Set(try await world.claims().map(\.volumeName)) == before)
            try await Self.scale(world, to: 3)
            for ordinal in 1..<3 {
                try await world.waitReady("pg-\(ordinal)")
                _ = try await world.shell("pg-\(ordinal)", "test -s /pgdata/who")
            }
            #expect(Set(try await world.claims().map(\.volumeName)) == before)

            _ = try await world.client.call(APICall(.delete, "\(path)/pg"))
            for ordinal in 0..<3 { try await world.deletePod("pg-\(ordinal)") }
            try await world.waitUnmapped()
            #expect(try await world.claims().count == 6)
        }
    }

    private static func scale(_ world: World, to count: Int64) async throws {
        let path = "/apis/apps/v1/namespaces/\(world.name)/statefulsets/pg"
        _ = try await world.client.call(.patch(path, .merge, ["spec": ["replicas": .number(JSONNumber(count))]]))
    }

    /// deploy/examples/postgres-statefulset.yaml, smaller, with a shell for PostgreSQL.
    private static func postgres(class className: String) -> JSONValue {
        let templates = ["pgdata", "logs"].map { template -> JSONValue in
            [
                "metadata": ["name": .string(template)],
                "spec": [
                    "accessModes": ["ReadWriteOnce"], "storageClassName": .string(className),
                    "resources": ["requests": ["storage": "320Mi"]],
                ],
            ]
        }
        let container: JSONValue = [
            "name": "shell", "image": "docker.io/local/busybox:1", "command": ["sleep", "100000"],
            "volumeMounts": [
                ["name": "pgdata", "mountPath": "/pgdata", "subPath": "data"], ["name": "logs", "mountPath": "/logs"],
            ],
        ]
        return [
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": ["name": "pg"],
            "spec": [
                "serviceName": "pg", "replicas": 3, "podManagementPolicy": "Parallel",
                "selector": ["matchLabels": ["app": "pg"]],
                "template": [
                    "metadata": ["labels": ["app": "pg"]],
                    "spec": [
                        "hostNetwork": true, "terminationGracePeriodSeconds": 0,
                        "securityContext": ["fsGroup": 999], "containers": .array([container]),
                    ],
                ],
                "volumeClaimTemplates": .array(templates),
            ],
        ]
    }
}
