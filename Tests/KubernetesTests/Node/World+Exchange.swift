import JSON
import KubernetesAPI
import TestSupport
import Testing

extension World {
    /// Puts another object into a PersistentVolume's place, with all of it but its source.
    ///
    /// - Parameters:
    ///   - name: Of both.
    ///   - source: The new one's field of `spec`, what that is, and the annotation with the attributes, of the old object.
    /// - Throws: What the API server answers.
    func exchange(
        _ name: String,
        _ source: (JSONValue) throws -> (field: String, value: JSONValue, attributes: JSONValue?)
    ) async throws {
        let path = APIPath.persistentVolume(name)
        let old = try await client.call(.get(path))
        let (field, value, attributes) = try source(old)
        let annotations = try #require(old["metadata", "annotations"]).with("nacre.io/volume-attributes", attributes)
        let anywhere: JSONValue = [
            "required": [
                "nodeSelectorTerms": [
                    ["matchExpressions": [["key": "kubernetes.io/os", "operator": "In", "values": ["linux"]]]]
                ]
            ]
        ]
        var spec: JSONValue = [field: value, "nodeAffinity": old["spec", "nodeAffinity"] ?? anywhere]
        for other in [
            "capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName", "volumeMode",
        ] { spec = spec.with(other, old["spec", other]) }
        let new: JSONValue = [
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": [
                "name": .string(name), "annotations": annotations, "finalizers": old["metadata", "finalizers"] ?? [],
            ],
            "spec": spec,
        ]
        // Retain first: a PersistentVolume that goes would take its image along.
        for patch: JSONValue in [
            ["spec": ["persistentVolumeReclaimPolicy": "Retain"]], ["metadata": ["finalizers": .null]],
        ] {
            _ = try await client.call(.patch(path, .merge, patch))
            _ = try? await client.call(APICall(.delete, path))
        }
        try await eventually("the old object is gone") { try await volumes().isEmpty }
        _ = try await client.call(.create(APIPath.persistentVolumes, new))
        try await waitBound(1)
    }
}
