internal import JSON
package import KubernetesAPI
internal import Volumes

/// Brings the PersistentVolume of a volume and its claim back: of a deleted volume whose image is there again, or of one
/// whose Kubernetes is lost.
///
/// May be repeated: what is there as it should be stays.
package struct ObjectRestoration: Sendable {
    private let client: KubernetesClient
    private let objects: KeptObjects
    private let handle: String
    private let elsewhere: String
    private var ending = "nothing was changed"

    /// Does nothing yet.
    ///
    /// - Parameters:
    ///   - client: As somebody who may make PersistentVolumes and claims.
    ///   - objects: What the image keeps.
    ///   - handle: The volume's.
    ///   - elsewhere: How a person names another claim for it.
    package init(
        _ client: KubernetesClient,
        _ objects: KeptObjects,
        handle: String,
        elsewhere: String = ", or name another by --claim"
    ) {
        self.client = client
        self.objects = objects
        self.handle = handle
        self.elsewhere = elsewhere
    }

    private enum ClaimState {
        case absent
        case unbound(PersistentVolumeClaim)
        case done
    }

    /// Throws when something is in the way; changes nothing.
    ///
    /// - Parameter known: The present PersistentVolumes; they are read without.
    /// - Returns: Whether all is there already, as it should be.
    /// - Throws: `VolumeError` that says what, or `KubernetesError`.
    @discardableResult
    package func check(among known: PresentVolumes? = nil) async throws -> Bool {
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
        let isThere = try volume(try await present(known))
        if case .done = try await claim() { return isThere }
        return false
    }

    /// Makes what lacks: the PersistentVolume first, so that nobody makes another for the claim.
    ///
    /// - Parameters:
    ///   - known: PersistentVolumes that were just read; they are read without.
    ///   - done: What was done before, for who reads of a failure.
    /// - Throws: `VolumeError` that says what is in the way, or `KubernetesError`.
    package func restore(
        among known: PresentVolumes? = nil,
        after done: String = "the image is restored already"
    ) async throws {
        var restoration = self
        restoration.ending = "\(done); mend that, and repeat the command"
        try await restoration.make(known)
    }

    private func present(_ known: PresentVolumes?) async throws -> PresentVolumes {
        if let known { return known }
        do {
            return try await PresentVolumes.read(client)
        } catch let error as VolumeError {
            throw refusal(error.message)
        }
    }

    private func make(_ known: PresentVolumes?) async throws {
        if try await !volume(present(known)) {
            do throws(KubernetesError) {
                _ = try await client.call(.create(APIPath.persistentVolumes, objects.volume))
            } catch {
                // Somebody made it since, or an answer was lost.
                guard error.status?.isAlreadyExists ?? false, try await volume(present(nil)) else { throw error }
            }
        }
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
    private func volume(_ present: PresentVolumes) throws -> Bool {
        let there = present.named(objects.name)
        if let there { try judge(there.volume, there.handle == handle) }
        if let other = present.other(of: handle, than: objects.name) {
            throw refusal("PersistentVolume '\(other)' has that volume already")
        }
        if let other = present.foreign(of: handle) {
            throw refusal("PersistentVolume '\(other.name)' of driver \(other.driver.printable) has its image already")
        }
        return there != nil
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
                "claim \(objects.claimName) has volume '\(found.volumeName)' by now; delete that claim\(elsewhere)"
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
