internal import ExactText
internal import JSON
package import KubernetesAPI
package import Volumes

/// All PersistentVolumes of a Kubernetes, by their names and by the volumes that they are of.
package struct PresentVolumes: Sendable {
    /// One that is of Nacre's making, or another's.
    struct Present: Sendable {
        let volume: PersistentVolume
        /// The volume's handle; `nil` for another driver's.
        let handle: String?
    }

    private var byName: [String: Present] = [:]
    private var namesByHandle: [ExactText: [String]] = [:]
    private var foreign: [String: (name: String, driver: String)] = [:]

    private static let pageSize = 500
    private static let uuidLength = 36

    /// Reads them.
    ///
    /// - Throws: `KubernetesError`; `VolumeError` if not all can be read, because one that was not seen may have the volume.
    package static func read(_ client: KubernetesClient) async throws -> PresentVolumes {
        var present = PresentVolumes()
        var token = ""
        repeat {
            var call = APICall(.get, APIPath.persistentVolumes, query: [("limit", "\(pageSize)")])
            if !token.isEmpty { call.query.append(("continue", token)) }
            let (list, unreadable) = try await client.list(call)
            guard unreadable.isEmpty, case .array(let items)? = list["items"] else {
                throw VolumeError(
                    .failedPrecondition,
                    "not all PersistentVolumes can be read, and one may have it: see kubectl get persistentvolumes"
                )
            }
            for item in items { present.insert(item) }
            token = list["metadata", "continue"]?.string ?? ""
        } while !token.isEmpty
        return present
    }

    init() {}

    /// Takes a PersistentVolume in.
    mutating func insert(_ object: JSONValue) {
        guard let volume = PersistentVolume(object), let details = volume.details else { return }
        // Whatever the driver of a FlexVolume is called here, the attributes say whether it is Nacre's.
        let handle = VolumeAttributes(details, flexDriver: details.flexDriver ?? "")?.handle
        let name = volume.metadata.name
        byName[name] = Present(volume: volume.compact, handle: handle)
        if let handle { namesByHandle[ExactText(handle), default: []].append(name) }
        if let other = object["spec", "csi", "volumeHandle"]?.string {
            let driver = object["spec", "csi", "driver"]?.string ?? ""
            foreign[String(other.lowercased().suffix(Self.uuidLength))] = (name, driver)
        }
    }

    /// The one of that name.
    func named(_ name: String) -> Present? { byName[name] }

    /// Another one of a volume than the one of that name.
    func other(of handle: String, than name: String) -> String? {
        namesByHandle[ExactText(handle)]?.first { !$0.isExactly(name) }
    }

    /// The name of the one that a volume has.
    package func name(of handle: String) -> String? { namesByHandle[ExactText(handle)]?.first }

    /// The handle of the volume that a claim has; `nil` if none of Nacre's says that it has one.
    package func handle(of claim: ClaimName) -> String? {
        byName.values.first { present in
            present.handle != nil && present.volume.phase == .bound
                && present.volume.claim?.namespace == claim.namespace
                && present.volume.claim?.name == claim.name
        }?
        .handle
    }

    /// Another driver's, whose handle ends in the same UUID as the volume's image does.
    func foreign(of handle: String) -> (name: String, driver: String)? {
        guard ImageName.endsInUUID(handle) else { return nil }
        return foreign[String(handle.suffix(Self.uuidLength))]
    }
}
