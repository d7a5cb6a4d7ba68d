internal import JSON
internal import KubernetesAPI

/// What a resize writes into a claim's status; other conditions are not changed.
///
/// It uses merge patches: a server drops unknown fields of a merge patch, but refuses a strategic patch with them.
struct ResizeWriter: Sendable {
    let shop: Workshop

    private static let ours: Set<String> = [
        "Resizing", "FileSystemResizePending", "ControllerResizeError", "NodeResizeError",
    ]
    private static let failure = "ControllerResizeError"
    private static let notRequiredKey = "volume.kubernetes.io/node-expansion-not-required"

    static func has(_ type: String, in details: PersistentVolumeClaim.Details) -> Bool {
        details.conditions.contains { $0["type"]?.string == type && $0["status"]?.string == "True" }
    }

    /// A resize begins: the target size is reserved in the quota.
    func begin(_ claim: PersistentVolumeClaim, _ target: Int64) async throws(KubernetesError) -> PersistentVolumeClaim {
        try await patch(
            claim,
            conditions: ["Resizing"],
            annotations: claim.details?.annotations[Self.notRequiredKey] == nil ? nil : [Self.notRequiredKey: .null],
            status: [
                "allocatedResources": ["storage": .string(Quantity.text(target))],
                "allocatedResourceStatuses": ["storage": "ControllerResizeInProgress"],
            ]
        )
    }

    /// The image has its size: the node must resize, or the resize is done.
    func end(_ claim: PersistentVolumeClaim, _ bytes: Int64, needsNode: Bool) async throws(KubernetesError) {
        let status: JSONValue =
            needsNode
            ? ["allocatedResourceStatuses": ["storage": "NodeResizePending"]]
            : [
                "allocatedResourceStatuses": ["storage": .null], "capacity": ["storage": .string(Quantity.text(bytes))],
            ]
        _ = try await patch(
            claim,
            conditions: needsNode ? ["FileSystemResizePending"] : [],
            annotations: claim.details?.annotations[GrowthMark.annotation] == nil || needsNode
                ? nil : [GrowthMark.annotation: .null],
            status: status
        )
    }

    /// The image cannot be grown: writes the reason into the claim, unless it is there already.
    ///
    /// See: external-resizer, `markControllerExpansionFailed`.
    func fail(_ claim: PersistentVolumeClaim, _ message: String, isFinal: Bool) async throws(KubernetesError) {
        guard let live = try await shop.liveClaim(claim.metadata.namespace, claim.metadata.name),
            live.metadata.uid == claim.metadata.uid, let details = live.details
        else { return }
        let said = details.conditions.first { $0["type"]?.string == Self.failure }?["message"]?.string
        guard said != message else { return }
        // For a FlexVolume, kube-controller-manager writes the rest.
        let others = details.conditions.compactMap { $0["type"]?.string }.filter {
            Self.ours.contains($0) && $0 != Self.failure && $0 != "Resizing"
        }
        _ = try await patch(
            live,
            conditions: others + [Self.failure],
            message: message,
            annotations: nil,
            status: isFinal && details.resizeStatus != nil
                ? ["allocatedResourceStatuses": ["storage": "ControllerResizeInfeasible"]] : [:]
        )
    }

    /// The image was grown after all: removes what `fail` wrote.
    func clearFailure(of claim: PersistentVolumeClaim) async throws(KubernetesError) {
        guard let details = claim.details, Self.has(Self.failure, in: details),
            let live = try await shop.liveClaim(claim.metadata.namespace, claim.metadata.name),
            live.metadata.uid == claim.metadata.uid, let conditions = live.details?.conditions
        else { return }
        let others = conditions.compactMap { $0["type"]?.string }.filter {
            Self.ours.contains($0) && $0 != Self.failure
        }
        _ = try await patch(live, conditions: others, annotations: nil, status: [:])
    }

    private func patch(
        _ claim: PersistentVolumeClaim,
        conditions: [String],
        message: String? = nil,
        annotations: JSONValue?,
        status: JSONValue
    ) async throws(KubernetesError) -> PersistentVolumeClaim {
        let kept = (claim.details?.conditions ?? []).filter { !Self.ours.contains($0["type"]?.string ?? "") }
        let now = JSONValue.string(KubernetesTime.seconds())
        let new = conditions.map { type -> JSONValue in
            let condition: JSONValue = ["type": .string(type), "status": "True", "lastTransitionTime": now]
            return condition.with("message", type == Self.failure ? message.map { .string($0) } : nil)
        }
        let metadata: JSONValue = ["resourceVersion": .string(claim.metadata.resourceVersion)]
        let path = APIPath.claim(claim.metadata.namespace, claim.metadata.name)
        let answer = try await shop.client.call(
            .patch(
                "\(path)/status",
                .merge,
                [
                    "metadata": metadata.with("annotations", annotations),
                    "status": status.with("conditions", .array(kept + new)),
                ]
            )
        )
        guard let patched = PersistentVolumeClaim(answer) else {
            throw .malformed(call: "patch \(path)", reason: "it is no claim")
        }
        return patched
    }
}
