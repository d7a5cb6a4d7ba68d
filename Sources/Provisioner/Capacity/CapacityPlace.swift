package import JSON
package import KubernetesAPI

/// Where CSIStorageCapacity objects are created, and their owner.
package struct CapacityPlace: Sendable {
    /// Finds the place; `nil` if capacity is not published.
    package typealias Finding = @Sendable () async throws(KubernetesError) -> CapacityPlace?

    /// The controller's namespace.
    package let namespace: String
    /// The controller's Deployment as an owner reference: the objects are deleted with it.
    package let owner: JSONValue?

    /// Names a place.
    package init(namespace: String, owner: JSONValue?) {
        self.namespace = namespace
        self.owner = owner
    }

    /// The place of the pod of that name; its owner references are followed to the topmost controller.
    ///
    /// - Throws: `KubernetesError` when pod or ReplicaSet cannot be read.
    package static func of(
        pod: String,
        in namespace: String,
        _ client: KubernetesClient
    ) async throws(KubernetesError) -> CapacityPlace {
        let object = try await client.call(.get(APIPath.pod(namespace, pod)))
        guard var owner = controller(of: object) else { return CapacityPlace(namespace: namespace, owner: nil) }
        if owner["kind"]?.string == "ReplicaSet", let name = owner["name"]?.string {
            let set = try await client.call(.get(APIPath.replicaSet(namespace, name)))
            owner = controller(of: set) ?? owner
        }
        return CapacityPlace(namespace: namespace, owner: owner)
    }

    private static func controller(of object: JSONValue) -> JSONValue? {
        let owner = object["metadata", "ownerReferences"]?.elements.first { $0["controller"]?.bool ?? false }
        guard let owner, let version = owner["apiVersion"], let kind = owner["kind"], let name = owner["name"],
            let uid = owner["uid"]
        else { return nil }
        return ["apiVersion": version, "kind": kind, "name": name, "uid": uid]
    }
}
