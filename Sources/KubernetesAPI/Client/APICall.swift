package import JSON

/// One call of the API server.
package struct APICall: Sendable {
    /// HTTP's methods that the API server knows.
    package enum Method: String, Sendable {
        /// Read one or many.
        case get = "GET"
        /// Make.
        case post = "POST"
        /// Replace.
        case put = "PUT"
        /// Change.
        case patch = "PATCH"
        /// Remove.
        case delete = "DELETE"
    }

    /// How a patch is meant.
    package enum PatchKind: String, Sendable {
        /// RFC 7386: null removes a field, lists are replaced.
        case merge = "application/merge-patch+json"
        /// Kubernetes' own: lists of conditions and of finalizers are merged.
        case strategic = "application/strategic-merge-patch+json"
        /// RFC 6902.
        case json = "application/json-patch+json"
    }

    /// What to do.
    package var method: Method
    /// The object's or the collection's path: `/api/v1/persistentvolumes`.
    package var path: String
    /// The query, not yet percent-encoded.
    package var query: [(name: String, value: String)]
    /// The body's media type.
    package var contentType: String
    /// The body.
    package var body: JSONValue?
    /// From the start to the last byte of the answer.
    package var timeout: Duration

    /// Puts a call together.
    package init(
        _ method: Method,
        _ path: String,
        query: [(name: String, value: String)] = [],
        contentType: String = "application/json",
        body: JSONValue? = nil,
        timeout: Duration = .seconds(30)
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.body = body
        self.timeout = timeout
    }

    /// Reads an object.
    package static func get(_ path: String) -> APICall { APICall(.get, path) }

    /// Makes an object.
    package static func create(_ path: String, _ object: JSONValue) -> APICall { APICall(.post, path, body: object) }

    /// Replaces an object; only for objects that Nacre owns completely, because unknown fields are lost.
    package static func replace(_ path: String, _ object: JSONValue) -> APICall { APICall(.put, path, body: object) }

    /// Changes an object.
    package static func patch(_ path: String, _ kind: PatchKind, _ patch: JSONValue) -> APICall {
        APICall(.patch, path, contentType: kind.rawValue, body: patch)
    }

    /// Deletes an object, if it still has that uid and, if given, that resourceVersion.
    package static func delete(_ path: String, uid: String, resourceVersion: String? = nil) -> APICall {
        let preconditions: JSONValue = ["uid": .string(uid)]
        return APICall(
            .delete,
            path,
            body: [
                "apiVersion": "v1", "kind": "DeleteOptions",
                "preconditions": preconditions.with("resourceVersion", resourceVersion.map { .string($0) }),
            ]
        )
    }

    /// Whether it is a write; an access review is a POST and not a write.
    var isWrite: Bool { method != .get && path != APIPath.selfSubjectAccessReviews }

    /// What it does, for a message: `patch /api/v1/persistentvolumes/pvc-…`.
    var phrase: String { "\(method.rawValue.lowercased()) \(path)" }

    var queryText: String {
        guard !query.isEmpty else { return "" }
        return "?" + query.map { "\(Self.encoded($0.name))=\(Self.encoded($0.value))" }.joined(separator: "&")
    }

    /// RFC 3986's unreserved characters as they are, everything else by its bytes.
    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return result
    }
}

/// The paths of the used collections and of objects in them.
package enum APIPath {
    /// core/v1.
    package static let persistentVolumes = "/api/v1/persistentvolumes"
    /// core/v1, of all namespaces.
    package static let persistentVolumeClaims = "/api/v1/persistentvolumeclaims"
    /// storage.k8s.io/v1.
    package static let storageClasses = "/apis/storage.k8s.io/v1/storageclasses"

    /// A StorageClass.
    package static func storageClass(_ name: String) -> String { "\(storageClasses)/\(escaped(name))" }

    /// A PersistentVolume.
    package static func persistentVolume(_ name: String) -> String { "\(persistentVolumes)/\(escaped(name))" }

    /// A claim.
    package static func claim(_ namespace: String, _ name: String) -> String {
        "/api/v1/namespaces/\(escaped(namespace))/persistentvolumeclaims/\(escaped(name))"
    }

    /// A Secret.
    package static func secret(_ namespace: String, _ name: String) -> String {
        "/api/v1/namespaces/\(escaped(namespace))/secrets/\(escaped(name))"
    }

    /// The pods of a namespace.
    package static func pods(_ namespace: String) -> String { "/api/v1/namespaces/\(escaped(namespace))/pods" }

    /// A pod.
    package static func pod(_ namespace: String, _ name: String) -> String { "\(pods(namespace))/\(escaped(name))" }

    /// A ReplicaSet.
    package static func replicaSet(_ namespace: String, _ name: String) -> String {
        "/apis/apps/v1/namespaces/\(escaped(namespace))/replicasets/\(escaped(name))"
    }

    /// The CSIStorageCapacity objects of a namespace.
    package static func storageCapacities(_ namespace: String, version: String) -> String {
        "/apis/storage.k8s.io/\(version)/namespaces/\(escaped(namespace))/csistoragecapacities"
    }

    /// A namespace.
    package static func namespace(_ name: String) -> String { "/api/v1/namespaces/\(escaped(name))" }

    /// A Node.
    package static func node(_ name: String) -> String { "/api/v1/nodes/\(escaped(name))" }

    /// The events of a namespace, or one of them.
    package static func events(_ namespace: String, _ name: String? = nil) -> String {
        "/api/v1/namespaces/\(escaped(namespace))/events" + (name.map { "/\(escaped($0))" } ?? "")
    }

    /// The leases of a namespace, or one of them.
    package static func leases(_ namespace: String, _ name: String? = nil) -> String {
        "/apis/coordination.k8s.io/v1/namespaces/\(escaped(namespace))/leases" + (name.map { "/\(escaped($0))" } ?? "")
    }

    /// The leases of all namespaces.
    package static let allLeases = "/apis/coordination.k8s.io/v1/leases"

    /// The claims of a namespace.
    package static func claims(_ namespace: String) -> String {
        "/api/v1/namespaces/\(escaped(namespace))/persistentvolumeclaims"
    }

    /// Where one asks what one may do.
    package static let selfSubjectAccessReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    /// A name as a path component, escaped so that it cannot change the path.
    static func escaped(_ name: String) -> String { APICall.encoded(name) }
}
