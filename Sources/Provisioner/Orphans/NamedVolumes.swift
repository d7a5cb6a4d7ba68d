internal import JSON
package import KubernetesAPI

/// Every UUID that a PersistentVolume or a claim of a cluster names, wherever in the object: whatever driver made it, an
/// image whose name ends in one of them is somebody's.
package struct NamedVolumes: Sendable {
    private var uuids: Set<[UInt8]> = []

    private static let pageSize = 500
    private static let length = 36
    private static let hyphens: Set<Int> = [8, 13, 18, 23]

    /// Reads all PersistentVolumes and claims, as they are now.
    ///
    /// - Throws: `KubernetesError` when not all could be read; half a list would make orphans of what has a volume.
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

    /// Whether something names the UUID that an image's name ends in.
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
            if Self.isUUID(candidate) { uuids.insert(candidate) }
        }
    }

    private static func isUUID(_ text: [UInt8]) -> Bool {
        text.enumerated().allSatisfy { place, byte in
            if hyphens.contains(place) { return byte == UInt8(ascii: "-") }
            return (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
    }
}
