public import Secrets

/// A claim's name and namespace.
public struct ClaimName: Sendable, Hashable, CustomStringConvertible {
    /// The namespace.
    public var namespace: String
    /// The name.
    public var name: String

    /// Names a claim.
    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// `namespace/name`.
    public var description: String { "\(namespace)/\(name)" }

    /// Reads an image's metadata; `nil` if it names no claim.
    public init?(metadata: [String: String]) {
        guard let namespace = metadata[ParameterKey.kubernetesPrefix + "pvc/namespace"],
            let name = metadata[ParameterKey.kubernetesPrefix + "pvc/name"]
        else { return nil }
        self.init(namespace: namespace, name: name)
    }

    /// As an image keeps it, by ceph-csi's keys.
    public var metadata: [String: String] {
        [
            ParameterKey.kubernetesPrefix + "pvc/namespace": namespace,
            ParameterKey.kubernetesPrefix + "pvc/name": name,
        ]
    }
}

extension VolumeService {
    /// The metadata of the volume's image; read as the user of `credentials`, or as the service's own user.
    public func metadata(
        of volumeID: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> [String: String] {
        let id = try existing(volumeID)
        return try await operations.runAlone("look at volume '\(id)'", deadline: deadline) {
            () async throws(VolumeError) -> [String: String] in
            enter(VolumeStep.lookingUp, id.imageSpec)
            let found = try await self.finding(id) { () async throws(VolumeError) in
                try await self.store.metadata(of: id, credentials: credentials)
            }
            guard let metadata = found else {
                // Throws what there is instead, if anything.
                _ = try await self.presentImage(id, credentials: credentials)
                throw await self.absence(of: id, credentials)
            }
            return metadata
        }
    }

    /// Writes on the volume's image what Kubernetes says of it now.
    public func setNotes(
        _ notes: [String: String],
        of volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        let id = try existing(volumeID)
        try await operations.run(
            "note what has volume '\(id)'",
            on: id.description,
            fingerprint: "notes \(notes.sorted { $0.key < $1.key }) \(credentials.userID)",
            deadline: deadline
        ) { () async throws(VolumeError) in
            enter(VolumeStep.settingMetadata, id.imageSpec)
            try await self.finding(id) { () async throws(VolumeError) in
                try await self.store.setMetadata(notes, of: id, credentials: credentials)
            }
        }
    }
}
