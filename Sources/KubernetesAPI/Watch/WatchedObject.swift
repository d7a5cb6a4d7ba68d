package import JSON

/// A kind of object that can be listed and watched.
package protocol WatchedObject: Sendable {
    /// Reads an object; `nil` if it is incomplete.
    init?(_ object: JSONValue)

    /// Name, uid, version.
    var metadata: ObjectMeta { get }

    /// The part of it that the cache keeps.
    var compact: Self { get }
}

/// An event of an object, or its presence in a list.
package enum Change<Object: WatchedObject>: Sendable {
    /// It is there, whole, as it is now.
    case present(Object)
    /// It is gone; as it was last known.
    case gone(Object)
}
