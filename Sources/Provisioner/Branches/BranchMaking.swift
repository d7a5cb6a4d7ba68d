internal import JSON
package import KubernetesAPI
package import Secrets
internal import Timestamps
package import Volumes

/// Makes a branch of a claim's volume: PersistentVolume, image, claim, in this order, so that what is there always has an object
/// that says until when.
///
/// May be repeated: what is there as it should be stays, with the time that it has.
///
/// | killed after | leaves | what becomes of it |
/// | --- | --- | --- |
/// | the PersistentVolume | one without an image | a repetition goes on; else it is deleted when its time is over |
/// | the image | both, without a claim | the same, and the image with it |
/// | the claim | the branch | it is there |
///
/// A PersistentVolume that goes while its image is made may leave an image that no object tells of, or take it with it. So `end`
/// wants the one of `begin`, and else all is begun again.
package struct BranchMaking: Sendable {
    private let client: KubernetesClient
    private let source: JSONValue
    private let attributes: VolumeAttributes
    private let settings: DriverSettings
    /// The branch.
    package private(set) var mark: BranchMark
    /// The claim that gets it.
    package let claim: ClaimName
    /// Until when one that is made lasts, in seconds since 1970; one that was found has its own time.
    private let asked: Int64
    /// The uid of the PersistentVolume that `begin` made or found.
    private var begun = ""

    /// How often `end` looks whether a PersistentVolume that is being deleted is gone.
    private static let mostLooks = 30

    /// Does nothing yet.
    ///
    /// - Parameters:
    ///   - client: As somebody who may make PersistentVolumes and claims.
    ///   - source: The PersistentVolume of the volume, which has a claim.
    ///   - name: What a person calls the branch.
    ///   - namespace: Where its claim is made, under the name that the source's has.
    ///   - expires: When it is over, in seconds since 1970.
    /// - Throws: `VolumeError` for a PersistentVolume of another driver, and for one without a claim.
    package init(
        _ client: KubernetesClient,
        of source: PersistentVolume,
        name: String,
        into namespace: String,
        expires: Int64
    ) throws(VolumeError) {
        guard let details = source.details, let claim = source.claim,
            let attributes = VolumeAttributes(details, flexDriver: details.flexDriver ?? "")
        else {
            throw .invalid(
                "PersistentVolume '\(source.metadata.name)' is not one of Nacre's with a claim; branch a claim's volume"
            )
        }
        var settings = DriverSettings()
        if let driver = details.flexDriver { settings.flexDriver = driver }
        self.client = client
        self.source = details.object
        self.attributes = attributes
        self.settings = settings
        self.claim = ClaimName(namespace: namespace, name: claim.name)
        asked = expires
        mark = BranchMark(name: name, source: attributes.handle, claim: self.claim, expires: expires)
    }

    /// Throws when something is in the way; changes nothing.
    ///
    /// - Returns: Whether the whole branch is there already.
    package mutating func check() async throws -> Bool {
        let (namespace, name) = (claim.namespace, claim.name)
        guard try await found(APIPath.namespace(namespace)) != nil else {
            throw refusal("there is no namespace '\(namespace)': kubectl create namespace \(namespace)")
        }
        let volume = try await present()
        guard let object = try await found(APIPath.claim(namespace, name)) else { return false }
        guard let there = PersistentVolumeClaim(object), there.volumeName == mark.volume, volume != nil else {
            throw refusal("there is a claim \(claim) of another volume; delete it, or name another namespace")
        }
        guard !there.metadata.isBeingDeleted else {
            throw refusal("claim \(claim) is being deleted; wait until it is gone")
        }
        return true
    }

    /// The image to make.
    ///
    /// - Parameters:
    ///   - credentials: The Ceph user.
    ///   - cluster: The uid of this Kubernetes.
    ///   - sizeBytes: The size of the source.
    /// - Returns: What the service is asked for.
    /// - Throws: `VolumeError`.
    package func request(
        _ credentials: Credentials,
        cluster: String?,
        sizeBytes: UInt64
    ) throws(VolumeError) -> CreateVolumeRequest {
        let wish: JSONValue = [
            "metadata": [
                "name": .string(claim.name), "namespace": .string(claim.namespace), "uid": "branch",
                "resourceVersion": "0",
            ],
            "spec": (source["spec"] ?? [:]),
        ]
        guard let pending = PersistentVolumeClaim(wish) else {
            throw VolumeError(.internal, "the source's PersistentVolume makes no claim")
        }
        let kind = source["spec", "flexVolume"] == nil ? "local" : "flexVolume"
        var parameters = attributes.others
        // These are Kubernetes' business, or the copied image's.
        for key in ["image", "mountOptions", "accessMode"] { parameters[key] = nil }
        // It goes when its time is over, and not a day later.
        parameters["trashRetention"] = "0"
        parameters["csi.storage.k8s.io/pvc/name"] = claim.name
        parameters["csi.storage.k8s.io/pvc/namespace"] = claim.namespace
        parameters["csi.storage.k8s.io/pv/name"] = mark.volume
        parameters[ImageMetadataKey.kubernetesCluster] = cluster
        parameters[ImageMetadataKey.branch] = mark.imageText
        return CreateVolumeRequest(
            name: mark.volume,
            range: try CapacityRange(requiredBytes: Int64(clamping: sizeBytes), limitBytes: 0),
            capabilities: try ClaimRules.capabilities(
                pending,
                fileSystem: source["spec", kind, "fsType"]?.string,
                mountOptions: []
            ),
            parameters: parameters,
            credentials: credentials,
            source: .volume(attributes.handle)
        )
    }

    /// Makes the PersistentVolume, or takes the one that is there with the time that it has.
    ///
    /// - Parameters:
    ///   - id: The handle that the image will have.
    ///   - sizeBytes: Its size.
    /// - Throws: `KubernetesError`, or `VolumeError` that says what is in the way.
    package mutating func begin(_ id: VolumeID, sizeBytes: UInt64) async throws {
        if let volume = try await present() {
            begun = volume.metadata.uid
            return
        }
        // One that was found before, and is gone, leaves its time no more than its uid.
        mark.expires = asked
        do throws(KubernetesError) {
            let call = APICall.create(APIPath.persistentVolumes, volume(id, sizeBytes: sizeBytes))
            guard let made = PersistentVolume(try await client.call(call)) else {
                throw .malformed(call: "create \(mark.volume)", reason: "it is no PersistentVolume")
            }
            begun = made.metadata.uid
        } catch {
            // Somebody made it since, or an answer was lost.
            guard error.status?.isAlreadyExists ?? false, let there = try await present() else { throw error }
            begun = there.metadata.uid
        }
    }

    /// Makes the claim, if it is not there; the image must be.
    ///
    /// - Parameter pause: Between two looks at a PersistentVolume that is being deleted.
    /// - Returns: Whether the branch is there. If not, the PersistentVolume of `begin` went meanwhile, and perhaps the image with it:
    ///   both are to be made again.
    /// - Throws: `KubernetesError`, or `VolumeError` that says what is in the way.
    package mutating func end(pause: Duration = .seconds(1)) async throws -> Bool {
        guard try await isAsBegun(pause: pause) else { return false }
        guard try await !check() else { return true }
        guard let volume = try await present(), volume.metadata.uid == begun else { return false }
        let path = "\(APIPath.namespace(claim.namespace))/persistentvolumeclaims"
        _ = try await client.call(.create(path, claimObject(of: volume)))
        return true
    }

    /// Whether the PersistentVolume of `begin` stays; waits until one that is being deleted is gone.
    private func isAsBegun(pause: Duration) async throws -> Bool {
        for _ in 0..<Self.mostLooks {
            guard let volume = try await found(APIPath.persistentVolume(mark.volume)).flatMap({ PersistentVolume($0) }),
                volume.metadata.uid == begun
            else { return false }
            guard volume.metadata.isBeingDeleted else { return true }
            try await Task.sleep(for: pause)
        }
        throw refusal(
            "its PersistentVolume '\(mark.volume)' was deleted meanwhile, and is not gone yet; see kubectl describe pv "
                + "\(mark.volume), and repeat the command"
        )
    }

    /// The branch's PersistentVolume; `nil` if there is none.
    private mutating func present() async throws -> PersistentVolume? {
        guard let volume = try await found(APIPath.persistentVolume(mark.volume)).flatMap({ PersistentVolume($0) })
        else {
            return nil
        }
        guard let there = BranchMark(volume), there.source == mark.source, there.name == mark.name else {
            throw refusal("there is a PersistentVolume '\(mark.volume)' that is not this branch")
        }
        guard !volume.metadata.isBeingDeleted, volume.phase != .released, volume.phase != .failed else {
            throw refusal(
                "the last branch of that name is being deleted; wait until it is gone, or give this one another --name"
            )
        }
        // The controller deletes it within half a minute; a success would be of what is gone then.
        guard there.expires > Duration.sinceEpoch.components.seconds else {
            throw refusal(
                "the last branch of that name is over since \(Timestamp.text(.seconds(there.expires))); wait until it is gone, or "
                    + "give this one another --name"
            )
        }
        mark.expires = there.expires
        return volume
    }

    private func found(_ path: String) async throws(KubernetesError) -> JSONValue? {
        do throws(KubernetesError) {
            return try await client.call(.get(path))
        } catch {
            guard error.status?.isNotFound ?? false else { throw error }
            return nil
        }
    }

    private func refusal(_ why: String) -> VolumeError {
        VolumeError(.failedPrecondition, "cannot branch volume '\(mark.source)' into claim \(claim): \(why)")
    }
}

extension BranchMaking {
    /// The source's PersistentVolume with another name, image and claim, and the policy Delete.
    func volume(_ id: VolumeID, sizeBytes: UInt64) -> JSONValue {
        let isBlock = source["spec", "volumeMode"]?.string == "Block"
        var own = attributes
        own.handle = id.description
        own.others["image"] = id.image
        own.others["trashRetention"] = "0"
        var annotations = mark.annotations
        annotations[PersistentVolume.provisionedByKey] =
            source["metadata", "annotations", PersistentVolume.provisionedByKey]?.string
        for key in [VolumeObject.deletionSecretNameKey, VolumeObject.deletionSecretNamespaceKey] {
            annotations[key] = source["metadata", "annotations", key]?.string
        }
        var spec = (source["spec"] ?? [:])
            .with("persistentVolumeReclaimPolicy", .string(PersistentVolume.ReclaimPolicy.delete.name))
            .with("capacity", ["storage": .string(Quantity.text(Int64(clamping: sizeBytes)))])
            .with(
                "claimRef",
                [
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": .string(claim.namespace),
                    "name": .string(claim.name),
                ]
            )
        if let flex = spec["flexVolume"] {
            var options = own.options
            // kubelet's call does not contain the access mode.
            options["accessMode"] = flex["options", "accessMode"]?.string
            spec = spec.with("flexVolume", flex.with("options", JSONValue(options)))
        } else {
            annotations[VolumeAttributes.annotation] = own.annotationText
            let path = isBlock ? settings.devicePath(of: mark.volume) : settings.mountPath(of: mark.volume)
            spec = spec.with("local", (spec["local"] ?? [:]).with("path", .string(path)))
        }
        return [
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": [
                "name": .string(mark.volume), "labels": [BranchMark.label: .string(mark.name)],
                "annotations": JSONValue(annotations), "finalizers": [.string(PersistentVolume.provisionerFinalizer)],
            ],
            "spec": spec,
        ]
    }

    /// The claim, which goes with its PersistentVolume.
    func claimObject(of volume: PersistentVolume) -> JSONValue {
        let wish: JSONValue = [
            "accessModes": source["spec", "accessModes"] ?? [],
            "storageClassName": .string(source["spec", "storageClassName"]?.string ?? ""),
            "resources": ["requests": ["storage": .string(Quantity.text(volume.capacityBytes))]],
            "volumeName": .string(mark.volume),
        ]
        return [
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": [
                "name": .string(claim.name), "namespace": .string(claim.namespace),
                "labels": [BranchMark.label: .string(mark.name)], "annotations": JSONValue(mark.annotations),
                // The garbage collector deletes the claim with it: the controller needs no right to delete claims.
                "ownerReferences": [
                    [
                        "apiVersion": "v1", "kind": "PersistentVolume", "name": .string(mark.volume),
                        "uid": .string(volume.metadata.uid), "blockOwnerDeletion": true,
                    ]
                ],
            ],
            "spec": wish.with("volumeMode", source["spec", "volumeMode"]),
        ]
    }
}
