internal import JSON
package import KubernetesAPI

/// What a node's agent writes on a claim when it has grown the mounted file system: the annotation
/// `nacre.io/file-system-bytes`.
///
/// For a directory that kubelet only binds, kubelet grows nothing. The agent may write the status of claims, and the
/// controller writes the PersistentVolume's size and the claim's, once the mark says that both are true.
package enum GrowthMark {
    static let annotation = "nacre.io/file-system-bytes"

    /// Writes the size that the file system has now.
    ///
    /// - Parameters:
    ///   - bytes: The device's size, which the file system fills.
    ///   - claim: The volume's claim, with its uid: another claim of that name is left alone.
    ///   - client: The API server.
    /// - Throws: `KubernetesError`.
    package static func write(
        _ bytes: UInt64,
        on claim: PersistentVolume.ClaimReference,
        _ client: KubernetesClient
    ) async throws(KubernetesError) {
        let patch: JSONValue = [
            "metadata": ["uid": .string(claim.uid), "annotations": [annotation: .string(String(bytes))]]
        ]
        _ = try await client.call(.patch("\(APIPath.claim(claim.namespace, claim.name))/status", .merge, patch))
    }

    /// The size that was written on a claim; 0 if there is none.
    static func bytes(_ claim: PersistentVolumeClaim.Details) -> Int64 {
        claim.annotations[annotation].flatMap(Int64.init) ?? 0
    }
}
