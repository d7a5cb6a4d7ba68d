internal import JSON
internal import KubernetesAPI

/// Objects as the server has them now, for what must not be done by a cache's word.
///
/// An object is gone when the server says so of its name; another 404, or an answer that cannot be read, is an error.
extension Workshop {
    /// A PersistentVolume; nothing when it is gone.
    func liveVolume(_ name: String) async throws(KubernetesError) -> PersistentVolume? {
        try await live(APIPath.persistentVolume(name), named: name) { PersistentVolume($0) }
    }

    /// A claim; nothing when it is gone.
    func liveClaim(_ namespace: String, _ name: String) async throws(KubernetesError) -> PersistentVolumeClaim? {
        try await live(APIPath.claim(namespace, name), named: name) { PersistentVolumeClaim($0) }
    }

    private func live<Object: WatchedObject>(
        _ path: String,
        named name: String,
        _ read: (JSONValue) -> Object?
    ) async throws(KubernetesError) -> Object? {
        do throws(KubernetesError) {
            guard let object = read(try await client.call(.get(path))), object.metadata.name == name else {
                throw .malformed(call: "get \(path)", reason: "it is not the object of that name")
            }
            return object
        } catch {
            if error.status?.saysGone(name) ?? false { return nil }
            throw error
        }
    }
}
