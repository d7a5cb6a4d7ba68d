internal import JSON
internal import KubernetesAPI

/// Live reads of objects, for decisions that must not rely on the cache.
///
/// An object is gone if the server says so for its name; any other 404, or an unreadable answer, is an error.
extension Workshop {
    /// A PersistentVolume; `nil` if it is gone.
    func liveVolume(_ name: String) async throws(KubernetesError) -> PersistentVolume? {
        try await live(APIPath.persistentVolume(name), named: name) { PersistentVolume($0) }
    }

    /// A claim; `nil` if it is gone.
    func liveClaim(_ namespace: String, _ name: String) async throws(KubernetesError) -> PersistentVolumeClaim? {
        try await live(APIPath.claim(namespace, name), named: name) { PersistentVolumeClaim($0) }
    }

    /// An object of any kind; `nil` if it is gone.
    func live<Object: WatchedObject>(
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
