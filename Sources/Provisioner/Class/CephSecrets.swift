internal import FoundationEssentials
internal import JSON
package import KubernetesAPI
package import Secrets
package import Volumes

/// Reads Ceph users out of Secrets, as ceph-csi keeps them; what was read counts for a second, so that a
/// rotated key counts at once.
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

    /// The user that a Secret holds; our own where none is named.
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
        let userID = try Self.value("userID", of: secret, reference)
        let userKey = try Self.value("userKey", of: secret, reference)
        return Credentials(userID: String(decoding: userID, as: UTF8.self), userKey: Secret(userKey))
    }

    private static func value(
        _ key: String,
        of secret: JSONValue,
        _ reference: SecretReference
    ) throws(VolumeError) -> [UInt8] {
        guard let text = secret["data", key]?.string, let data = Data(base64Encoded: text) else {
            throw VolumeError(.failedPrecondition, "Secret \(reference) has no \(key); it needs userID and userKey")
        }
        let bytes = Array(data.prefix { $0 != 0x0A && $0 != 0x0D })
        guard !bytes.isEmpty else {
            throw VolumeError(
                .failedPrecondition,
                "\(key) of Secret \(reference) is empty; it needs userID and userKey"
            )
        }
        return bytes
    }
}
