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
        let delivery = try await delivery(plan.parameters)
        let source = try await ClaimSource(shop: shop, claim: claim).held()
        shop.enter(.readingSecret)
        let credentials = try await shop.secrets.credentials(plan.provisionSecret)
        begin(credentials)
        let made = try await shop.service.createVolume(
            plan.request(credentials, delivery, from: source),
            deadline: shop.deadline
        )
        guard made.capacityBytes >= UInt64(clamping: claim.requestBytes) else {
            throw VolumeError(
                .outOfRange,
                "the volume has \(made.capacityBytes) bytes, fewer than the \(claim.requestBytes) asked for"
            )
        }
        shop.enter(.savingVolume)
        return try await save(plan.object(made, delivery))
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
            capabilities: capabilities,
            range: try CapacityRange(requiredBytes: claim.requestBytes, limitBytes: 0),
            secrets: secrets
        )
    }

    /// How the volume gets to kubelet: as the class says, else as a directory, unless an agent does not show those.
    private func delivery(_ parameters: ClassParameters) async throws(KubernetesError) -> ClassParameters.Delivery {
        if claim.isBlock { return .local }
        if let named = parameters.delivery { return named }
        guard let agent = try await shop.agents.older() else { return .local }
        shop.events.record(
            .normal,
            "OlderAgent",
            "making the volume for FlexVolume: the agent in pod \(agent.pod) on node '\(agent.node)' is of a release that "
                + "shows no directories; update the agents, or give the class nodeDelivery: 'local' makes a pod on such a "
                + "node wait for its agent's update",
            on: ObjectReference(kind: "PersistentVolumeClaim", claim.metadata)
        )
        return .flexVolume
    }

    /// Everything that is known of a volume before it is created.
    private struct Plan: Sendable {
        let shop: Workshop
        let claim: PersistentVolumeClaim
        let storageClass: StorageClass
        let name: String
        let parameters: ClassParameters
        let capabilities: [VolumeCapability]
        let range: CapacityRange
        let secrets: [ClassParameters.SecretRole: SecretReference]

        var provisionSecret: SecretReference? { secrets[.provisioner] }

        func request(
            _ credentials: Credentials,
            _ delivery: ClassParameters.Delivery,
            from source: ContentSource?
        ) -> CreateVolumeRequest {
            var metadata = [
                "csi.storage.k8s.io/pvc/name": claim.metadata.name,
                "csi.storage.k8s.io/pvc/namespace": claim.metadata.namespace,
                "csi.storage.k8s.io/pv/name": name,
            ]
            metadata[ImageMetadataKey.kubernetesCluster] = shop.cluster.text
            metadata[ImageMetadataKey.kubernetesVolume] =
                VolumeRecord(
                    accessModes: claim.details?.accessModes ?? [],
                    isBlock: claim.isBlock,
                    storageClass: storageClass,
                    delivery: delivery,
                    secrets: secrets,
                    flexDriver: shop.settings.flexDriver
                )
                .text
            return CreateVolumeRequest(
                name: name,
                range: range,
                capabilities: capabilities,
                parameters: parameters.driver.merging(metadata) { $1 },
                credentials: credentials,
                source: source
            )
        }

        func object(_ made: Volume, _ delivery: ClassParameters.Delivery) -> JSONValue {
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
