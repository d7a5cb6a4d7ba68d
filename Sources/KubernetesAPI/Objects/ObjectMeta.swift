package import JSON

/// What every object has, as far as we use it.
package struct ObjectMeta: Sendable, Hashable {
    /// The namespace; empty for what has none.
    package var namespace: String
    /// The name.
    package var name: String
    /// The uid, which a later object of the same name does not have.
    package var uid: String { identity.text }
    /// The resourceVersion; opaque, may only be compared for equality and sent back.
    package var resourceVersion: String
    /// Whether it is being deleted.
    package var isBeingDeleted: Bool
    private let identity: ObjectUID

    /// Reads `metadata`; `nil` if it has no name, uid or version.
    package init?(_ object: JSONValue) {
        guard let metadata = object["metadata"], let name = metadata["name"]?.string,
            let uid = metadata["uid"]?.string, !uid.isEmpty,
            let version = metadata["resourceVersion"]?.string
        else { return nil }
        self.name = name
        identity = ObjectUID(uid)
        resourceVersion = version
        namespace = Interned.string(metadata["namespace"]?.string ?? "")
        isBeingDeleted = metadata["deletionTimestamp"] != nil
    }

    /// `namespace/name`, or the name alone.
    package var key: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}
