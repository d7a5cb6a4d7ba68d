import JSON
import KubernetesAPI
import Testing

@testable import Provisioner

@Suite("Which Secrets lead to which pools")
struct ClassSecretsTests {
    private func storageClass(
        _ name: String,
        secret: String = "ceph",
        namespace: String = "storage",
        provisioner: String = "rbd.nacre.io"
    ) throws -> StorageClass {
        try #require(
            StorageClass([
                "metadata": ["name": .string(name), "uid": .string(name), "resourceVersion": "1"],
                "provisioner": .string(provisioner),
                "parameters": [
                    "clusterID": "lab", "pool": .string(name),
                    "csi.storage.k8s.io/provisioner-secret-name": .string(secret),
                    "csi.storage.k8s.io/provisioner-secret-namespace": .string(namespace),
                ],
            ])
        )
    }

    private func volume(_ name: String, secret: String?, provisioner: String = "rbd.nacre.io") throws
        -> PersistentVolume
    {
        var annotations = ["pv.kubernetes.io/provisioned-by": provisioner]
        annotations[VolumeObject.deletionSecretNameKey] = secret
        annotations[VolumeObject.deletionSecretNamespaceKey] = secret.map { _ in "tenant" }
        return try #require(
            PersistentVolume([
                "metadata": [
                    "name": .string(name), "uid": .string(name), "resourceVersion": "1",
                    "annotations": JSONValue(annotations),
                ],
                "spec": [
                    "flexVolume": [
                        "driver": "nacre.io/rbd",
                        "options": ["schema": "1", "volumeHandle": "lab/old//csi-vol-1"],
                    ]
                ],
            ])
        )
    }

    @Test("A class names its Secret; one that only a claim can fill in, or somebody else's, names none")
    func classes() throws {
        let secrets = ClassSecrets(DriverSettings())
        let all = secrets.all([
            try storageClass("fast"), try storageClass("tenants", namespace: "${pvc.namespace}"),
            try storageClass("annotated", secret: "${pvc.annotations['s']}"),
            try storageClass("other", provisioner: "x"),
        ])
        #expect(all.map { "\($0.clusterID)/\($0.pool) \($0.secret)" } == ["lab/fast storage/ceph"])
    }

    @Test("A PersistentVolume names its Secret after its class is gone; each pair counts once")
    func volumes() throws {
        let secrets = ClassSecrets(DriverSettings())
        for name in ["a", "b"] { secrets.note(try volume(name, secret: "s")) }
        secrets.note(try volume("c", secret: nil))
        secrets.note(try volume("d", secret: "foreign", provisioner: "x"))
        #expect(secrets.all([]).map { "\($0.clusterID)/\($0.pool) \($0.secret)" } == ["lab/old tenant/s"])
    }
}
