internal import JSON
internal import KubernetesAPI
internal import Secrets
internal import Volumes

/// Makes the image of one claim and saves its PersistentVolume.
struct VolumeMaker: Sendable {
    let shop: Workshop
    let claim: PersistentVolumeClaim
    let storageClass: StorageClass
    let name: String

    /// The PersistentVolume, made or found.
    ///
    /// - Parameter begin: Called with the Ceph user just before the create begins.
    /// - Returns: The PersistentVolume, as the server has it.
    /// - Throws: `VolumeError` or `KubernetesError`; the image may then exist, or still be under way.
    func make(_ begin: (Credentials) -> Void) async throws -> PersistentVolume {
        let plan = try plan()
        shop.enter(.readingSecret)
        let credentials = try await shop.secrets.credentials(plan.provisionSecret)
        begin(credentials)
        let made = try await shop.service.createVolume(plan.request(credentials), deadline: shop.deadline)
        guard made.capacityBytes >= UInt64(clamping: claim.requestBytes) else {
            throw VolumeError(
                .outOfRange,
                "the volume has \(made.capacityBytes) bytes, fewer than the \(claim.requestBytes) asked for"
            )
        }
        shop.enter(.savingVolume)
        return try await save(plan.object(made))
    }

    /// Deletes the image again, after a create under way has completed.
    ///
    /// - Parameter begunWith: The Ceph user of the last try: its Secret may have gone with the claim's namespace.
    /// - Throws: `VolumeError` if the image may still exist.
    func undo(_ begunWith: Credentials) async throws {
        let plan = try plan()
        let id = try shop.service.handle(of: name, parameters: plan.parameters.driver)
        let credentials: Credentials
        do throws(VolumeError) {
            credentials = try await shop.secrets.credentials(plan.provisionSecret)
        } catch {
            credentials = begunWith
        }
        shop.enter(.deletingImage)
        try await shop.service.deleteVolume(id.description, credentials: credentials, deadline: shop.deadline)
    }

    private func save(_ object: JSONValue) async throws(KubernetesError) -> PersistentVolume {
        let call = APICall.create(APIPath.persistentVolumes, object)
        let answer: JSONValue
        do throws(KubernetesError) {
            answer = try await shop.client.call(call)
        } catch {
            guard error.status?.isAlreadyExists ?? false else { throw error }
            // It is from an earlier try whose answer was lost, or another object of the same name.
            guard let volume = try await shop.liveVolume(name), volume.claim?.uid == claim.metadata.uid,
                volume.provisionedBy == shop.settings.driverName
            else { throw error }
            return volume
        }
        guard let volume = PersistentVolume(answer) else {
            throw .malformed(call: "create \(name)", reason: "it is no PersistentVolume")
        }
        return volume
    }

    private func plan() throws(VolumeError) -> Plan {
        guard let details = claim.details else { throw VolumeError(.internal, "the claim is not whole") }
        guard !details.hasSelector else {
            throw .invalid(
                "a claim with a selector cannot be provisioned; drop spec.selector or make the volume by hand"
            )
        }
        let parameters = try ClassParameters(storageClass.parameters)
        let delivery = claim.isBlock ? .local : parameters.delivery
        guard claim.requestBytes > 0 else {
            throw .invalid("the claim asks for '\(details.requestText.printable)', which is no size")
        }
        let capabilities = try ClaimRules.capabilities(
            claim,
            fileSystem: parameters.fileSystem,
            mountOptions: storageClass.mountOptions
        )
        let values = SecretTemplate.Values(
            volumeName: name,
            claimNamespace: claim.metadata.namespace,
            claimName: claim.metadata.name,
            claimAnnotations: details.annotations
        )
        var secrets: [ClassParameters.SecretRole: SecretReference] = [:]
        for role in ClassParameters.SecretRole.allCases { secrets[role] = try parameters.secret(for: role, values) }
        return Plan(
            shop: shop,
            claim: claim,
            storageClass: storageClass,
            name: name,
            parameters: parameters,
            delivery: delivery,
            capabilities: capabilities,
            range: try CapacityRange(requiredBytes: claim.requestBytes, limitBytes: 0),
            secrets: secrets
        )
    }

    /// Everything that is known of a volume before it is created.
    private struct Plan: Sendable {
        let shop: Workshop
        let claim: PersistentVolumeClaim
        let storageClass: StorageClass
        let name: String
        let parameters: ClassParameters
        let delivery: ClassParameters.Delivery
        let capabilities: [VolumeCapability]
        let range: CapacityRange
        let secrets: [ClassParameters.SecretRole: SecretReference]

        var provisionSecret: SecretReference? { secrets[.provisioner] }

        func request(_ credentials: Credentials) -> CreateVolumeRequest {
            var metadata = [
                "csi.storage.k8s.io/pvc/name": claim.metadata.name,
                "csi.storage.k8s.io/pvc/namespace": claim.metadata.namespace,
                "csi.storage.k8s.io/pv/name": name,
            ]
            metadata[ImageMetadataKey.kubernetesCluster] = shop.cluster.text
            return CreateVolumeRequest(
                name: name,
                range: range,
                capabilities: capabilities,
                parameters: parameters.driver.merging(metadata) { $1 },
                credentials: credentials
            )
        }

        func object(_ made: Volume) -> JSONValue {
            var others = made.context
            // The node reads the pool from here; the image name is for people.
            others["image"] = others.removeValue(forKey: "imageName")
            if !storageClass.mountOptions.isEmpty, !claim.isBlock {
                others["mountOptions"] = storageClass.mountOptions.joined(separator: ",")
            }
            return VolumeObject(
                name: name,
                claim: claim,
                storageClass: storageClass,
                capacityBytes: made.capacityBytes,
                fileSystem: parameters.fileSystem ?? "ext4",
                delivery: delivery,
                attributes: VolumeAttributes(
                    handle: made.id.description,
                    nodeSecret: secrets[.nodeStage],
                    expandSecret: secrets[.controllerExpand] ?? secrets[.provisioner],
                    others: others
                ),
                deletionSecret: provisionSecret,
                settings: shop.settings
            ).json
        }
    }
}
