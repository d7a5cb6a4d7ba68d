internal import JSON
package import KubernetesAPI
internal import Volumes

/// Every UUID in the PersistentVolumes and claims of a cluster, anywhere in the objects.
///
/// An image whose name ends in one of them may be in use, by any driver.
package struct NamedVolumes: Sendable {
    private var uuids: Set<[UInt8]> = []

    private static let pageSize = 500
    private static let length = 36

    /// Reads all present PersistentVolumes and claims.
    ///
    /// - Throws: `KubernetesError` if not all could be read, because with an incomplete list images in use would look
    ///   like orphans.
    package static func read(_ client: KubernetesClient) async throws(KubernetesError) -> NamedVolumes {
        var named = NamedVolumes()
        for path in [APIPath.persistentVolumes, APIPath.persistentVolumeClaims] {
            var token = ""
            repeat {
                var call = APICall(.get, path, query: [("limit", "\(pageSize)")])
                if !token.isEmpty { call.query.append(("continue", token)) }
                let (list, unreadable) = try await client.list(call)
                guard case .array(let objects)? = list["items"] else {
                    throw .malformed(call: "list \(path)", reason: "it has no items")
                }
                for object in objects { named.insert(allOf: object.bytes) }
                for object in unreadable { named.insert(allOf: object.bytes) }
                token = list["metadata", "continue"]?.string ?? ""
            } while !token.isEmpty
        }
        return named
    }

    init() {}

    /// Whether an object contains the UUID at the end of an image's name.
    package func names(_ image: String) -> Bool {
        uuids.contains(Array(image.lowercased().utf8.suffix(Self.length)))
    }

    /// Takes in what an object's text names.
    mutating func insert(allOf bytes: [UInt8]) {
        guard bytes.count >= Self.length else { return }
        for start in 0...(bytes.count - Self.length) where bytes[start + 8] == UInt8(ascii: "-") {
            let candidate = bytes[start..<(start + Self.length)].map { byte in
                (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte) ? byte | 0x20 : byte
            }
            if ImageName.isUUID(candidate) { uuids.insert(candidate) }
        }
    }
}
