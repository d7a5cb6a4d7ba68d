package import JSON
package import KubernetesAPI

/// Where CSIStorageCapacity objects are kept, and whose they are.
package struct CapacityPlace: Sendable {
    /// Finds the place; nothing where capacity is not to be published.
    package typealias Finding = @Sendable () async throws(KubernetesError) -> CapacityPlace?

    /// The controller's namespace.
    package let namespace: String
    /// The Deployment that runs it, as an owner reference: with it the objects go.
    package let owner: JSONValue?

    /// Names a place.
    package init(namespace: String, owner: JSONValue?) {
        self.namespace = namespace
        self.owner = owner
    }

    /// The place of the pod of that name: its owners are followed to the last one that controls it.
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
