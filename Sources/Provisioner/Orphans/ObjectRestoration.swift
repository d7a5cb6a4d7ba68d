internal import JSON
package import KubernetesAPI
internal import Volumes

/// Brings the PersistentVolume of a deleted volume and its claim back, once the image is there again.
///
/// May be repeated: what is there as it should be stays.
package struct ObjectRestoration: Sendable {
    private let client: KubernetesClient
    private let objects: KeptObjects
    private let handle: String
    private var ending = "nothing was changed"

    private static let pageSize = 500

    /// Does nothing yet.
    ///
    /// - Parameters:
    ///   - client: As somebody who may make PersistentVolumes and claims.
    ///   - objects: What the image keeps.
    ///   - handle: The volume's.
    package init(_ client: KubernetesClient, _ objects: KeptObjects, handle: String) {
        self.client = client
        self.objects = objects
        self.handle = handle
    }

    private enum ClaimState {
        case absent
        case unbound(PersistentVolumeClaim)
        case done
    }

    /// Throws when something is in the way; changes nothing.
    ///
    /// - Throws: `VolumeError` that says what, or `KubernetesError`.
    package func check() async throws {
        guard objects.handle == handle else {
            throw refusal("its image keeps a PersistentVolume of volume '\(objects.handle?.printable ?? "")'")
        }
        if let cluster = objects.cluster {
            let present = ClusterUID()
            try await present.read(client)
            guard present.text == cluster else {
                throw refusal("it was a volume of another Kubernetes cluster, \(cluster.printable); restore it there")
            }
        }
        _ = try await volume()
        _ = try await claim()
    }

    /// Makes what lacks: the PersistentVolume first, so that nobody makes another for the claim.
    ///
    /// - Throws: `VolumeError` that says what is in the way, or `KubernetesError`.
    package func restore() async throws {
        var restoration = self
        restoration.ending = "the image is restored already; mend that, and repeat the command"
        try await restoration.make()
    }

    private func make() async throws {
        if try await !volume() { _ = try await client.call(.create(APIPath.persistentVolumes, objects.volume)) }
        let (namespace, name) = (objects.claimName.namespace, objects.claimName.name)
        switch try await claim() {
        case .done: return
        case .absent:
            let path = "\(APIPath.namespace(namespace))/persistentvolumeclaims"
            _ = try await client.call(.create(path, objects.claim))
        case .unbound(let claim):
            let patch: JSONValue = [
                "metadata": ["resourceVersion": .string(claim.metadata.resourceVersion)],
                "spec": ["volumeName": .string(objects.name)],
            ]
            _ = try await client.call(.patch(APIPath.claim(namespace, name), .merge, patch))
        }
    }

    /// Whether the PersistentVolume is there already, as it should be.
    private func volume() async throws -> Bool {
        var isThere = false
        var token = ""
        repeat {
            var call = APICall(.get, APIPath.persistentVolumes, query: [("limit", "\(Self.pageSize)")])
            if !token.isEmpty { call.query.append(("continue", token)) }
            let (list, unreadable) = try await client.list(call)
            guard unreadable.isEmpty, case .array(let items)? = list["items"] else {
                throw refusal("not all PersistentVolumes can be read, and one may have it")
            }
            for item in items {
                guard let volume = PersistentVolume(item), let details = volume.details else { continue }
                let driver = details.flexDriver ?? ""
                let has = VolumeAttributes(details, flexDriver: driver)?.handle == handle
                if volume.metadata.name == objects.name {
                    try judge(volume, has)
                    isThere = true
                } else if has {
                    throw refusal("PersistentVolume '\(volume.metadata.name)' has that volume already")
                }
            }
            token = list["metadata", "continue"]?.string ?? ""
        } while !token.isEmpty
        return isThere
    }

    private func judge(_ volume: PersistentVolume, _ has: Bool) throws(VolumeError) {
        let what = "PersistentVolume '\(volume.metadata.name)'"
        guard has else { throw refusal("there is a \(what) of another volume") }
        guard !volume.metadata.isBeingDeleted, volume.phase != .released, volume.phase != .failed else {
            // The controller would delete the image again.
            throw refusal("\(what) is still on its way out; wait until it is gone, or give it the policy Retain")
        }
        guard volume.claim?.namespace == objects.claimName.namespace, volume.claim?.name == objects.claimName.name
        else {
            throw refusal("\(what) is there, for another claim than \(objects.claimName)")
        }
    }

    private func claim() async throws -> ClaimState {
        let (namespace, name) = (objects.claimName.namespace, objects.claimName.name)
        do throws(KubernetesError) {
            _ = try await client.call(.get(APIPath.namespace(namespace)))
        } catch {
            guard error.status?.isNotFound ?? false else { throw error }
            throw refusal("there is no namespace '\(namespace)': kubectl create namespace \(namespace)")
        }
        let found: PersistentVolumeClaim?
        do throws(KubernetesError) {
            found = PersistentVolumeClaim(try await client.call(.get(APIPath.claim(namespace, name))))
        } catch {
            guard error.status?.isNotFound ?? false else { throw error }
            return .absent
        }
        guard let found else { throw refusal("claim \(objects.claimName) cannot be read") }
        guard !found.metadata.isBeingDeleted else { throw refusal("claim \(objects.claimName) is being deleted; wait") }
        if found.volumeName == objects.name { return .done }
        guard found.volumeName.isEmpty else {
            throw refusal(
                "claim \(objects.claimName) has volume '\(found.volumeName)' by now; delete that claim, or name another by "
                    + "--claim"
            )
        }
        return .unbound(found)
    }

    private func refusal(_ why: String) -> VolumeError {
        VolumeError(
            .failedPrecondition,
            "cannot bring volume '\(handle)' back to Kubernetes: \(why); \(ending)"
        )
    }
}
