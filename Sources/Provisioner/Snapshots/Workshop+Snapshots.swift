internal import JSON
internal import KubernetesAPI
internal import Volumes

/// Live reads and writes of the objects of snapshots.
extension Workshop {
    /// A VolumeSnapshot; `nil` if it is gone.
    func liveSnapshot(_ namespace: String, _ name: String) async throws(KubernetesError) -> VolumeSnapshot? {
        try await live(APIPath.volumeSnapshot(namespace, name), named: name) { VolumeSnapshot($0) }
    }

    /// A VolumeSnapshotContent; `nil` if it is gone.
    func liveContent(_ name: String) async throws(KubernetesError) -> VolumeSnapshotContent? {
        try await live(APIPath.volumeSnapshotContent(name), named: name) { VolumeSnapshotContent($0) }
    }

    /// All objects of a collection, in pages, by a consistent list; what cannot be read is an error.
    func liveList<Object: WatchedObject>(
        _ path: String,
        _ read: (JSONValue) -> Object?
    ) async throws(KubernetesError) -> [Object] {
        var all: [Object] = []
        var token = ""
        repeat {
            var call = APICall(.get, path, query: [("limit", "500")])
            if !token.isEmpty { call.query.append(("continue", token)) }
            let (list, unreadable) = try await client.list(call)
            guard unreadable.isEmpty, case .array(let items)? = list["items"] else {
                throw .malformed(call: "list \(path)", reason: "not all of it can be read")
            }
            for item in items {
                guard let object = read(item) else {
                    throw .malformed(call: "list \(path)", reason: "an object has no name, uid or version")
                }
                all.append(object)
            }
            token = list["metadata", "continue"]?.string ?? ""
        } while !token.isEmpty
        return all
    }

    /// Changes an object, if it has not changed since it was read.
    func change(
        _ path: String,
        _ metadata: ObjectMeta,
        _ patch: JSONValue
    ) async throws(KubernetesError) -> JSONValue {
        let own = patch["metadata"] ?? [:]
        let versioned = own.with("resourceVersion", .string(metadata.resourceVersion)).with(
            "uid",
            .string(metadata.uid)
        )
        return try await client.call(.patch(path, .merge, patch.with("metadata", versioned)))
    }

    /// A patch of finalizers, for `change`.
    static func finalizersPatch(_ finalizers: [String]) -> JSONValue {
        ["metadata": ["finalizers": finalizers.isEmpty ? .null : JSONValue(finalizers)]]
    }

    /// What a driver's parts say of a failure in a status, in the form of VolumeSnapshotError.
    static func errorStatus(_ message: String) -> JSONValue {
        ["time": .string(KubernetesTime.seconds()), "message": .string(message)]
    }
}

extension ObjectReference {
    /// A VolumeSnapshot, for an event.
    init(_ snapshot: VolumeSnapshot) {
        self.init(kind: "VolumeSnapshot", snapshot.metadata, apiVersion: SnapshotAPI.version)
    }

    /// The VolumeSnapshot that a content is bound to, for an event; `nil` if it is bound to none.
    init?(snapshotOf content: VolumeSnapshotContent) {
        let reference = content.reference
        let named: JSONValue = [
            "namespace": .string(reference.namespace), "name": .string(reference.name), "uid": .string(reference.uid),
            "resourceVersion": "",
        ]
        guard let metadata = ObjectMeta(["metadata": named]) else { return nil }
        self.init(kind: "VolumeSnapshot", metadata, apiVersion: SnapshotAPI.version)
    }

    /// A VolumeSnapshotContent, for an event.
    init(_ content: VolumeSnapshotContent) {
        self.init(kind: "VolumeSnapshotContent", content.metadata, apiVersion: SnapshotAPI.version)
    }
}
