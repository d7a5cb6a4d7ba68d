internal import FoundationEssentials
internal import JSON
package import KubernetesAPI
package import Secrets
package import Volumes

/// Reads Ceph users from Secrets in ceph-csi's form; results are cached for one second, so that a rotated key takes
/// effect at once.
package struct CephSecrets: Sendable {
    private let reads: SecretReads
    /// The controller's own user, for classes and volumes that name no Secret.
    let own: @Sendable () throws(VolumeError) -> Credentials

    /// Reads through `client`.
    ///
    /// - Parameters:
    ///   - client: Whom to ask.
    ///   - own: The user for what names no Secret.
    package init(client: KubernetesClient, own: @escaping @Sendable () throws(VolumeError) -> Credentials) {
        reads = SecretReads(client)
        self.own = own
    }

    /// The user of a Secret; the controller's own user if none is named.
    ///
    /// - Throws: `VolumeError` that names the Secret and what is wrong with it.
    package func credentials(_ reference: SecretReference?) async throws(VolumeError) -> Credentials {
        guard let reference else { return try own() }
        let secret: JSONValue
        do throws(KubernetesError) {
            secret = try await reads.secret(reference)
        } catch {
            if error.status?.isNotFound ?? false {
                throw VolumeError(
                    .notFound,
                    "Secret \(reference) does not exist; make it with userID and userKey of a Ceph user"
                )
            }
            let code: VolumeError.Code = error.status?.isForbidden ?? false ? .permissionDenied : .unavailable
            throw VolumeError(code, "cannot read Secret \(reference): \(error)")
        }
        do throws(CredentialsFault) {
            return try Credentials(userID: Self.value("userID", of: secret), userKey: Self.value("userKey", of: secret))
        } catch {
            throw VolumeError(.failedPrecondition, "Secret \(reference): \(error)")
        }
    }

    private static func value(_ key: String, of secret: JSONValue) -> Secret? {
        secret["data", key]?.string.flatMap { Data(base64Encoded: $0) }.map { Secret($0) }
    }
}
