internal import JSON
internal import KubernetesAPI

/// What a resize writes into a claim's status; conditions that are not about it stay as they are.
///
/// Merge patches, not strategic ones: a server that does not know a field yet drops it, where it would refuse a strategic
/// patch of it.
struct ResizeWriter: Sendable {
    let shop: Workshop

    private static let ours: Set<String> = [
        "Resizing", "FileSystemResizePending", "ControllerResizeError", "NodeResizeError",
    ]
    private static let notRequiredKey = "volume.kubernetes.io/node-expansion-not-required"

    static func has(_ type: String, in details: PersistentVolumeClaim.Details) -> Bool {
        details.conditions.contains { $0["type"]?.string == type && $0["status"]?.string == "True" }
    }

    /// A round begins: the target is reserved against the quota.
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

    /// The image has its size: the node's turn, or done.
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
            annotations: nil,
            status: status
        )
    }

    private func patch(
        _ claim: PersistentVolumeClaim,
        conditions: [String],
        annotations: JSONValue?,
        status: JSONValue
    ) async throws(KubernetesError) -> PersistentVolumeClaim {
        let kept = (claim.details?.conditions ?? []).filter { !Self.ours.contains($0["type"]?.string ?? "") }
        let now = JSONValue.string(KubernetesTime.seconds())
        let new = conditions.map { type -> JSONValue in
            ["type": .string(type), "status": "True", "lastTransitionTime": now]
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
