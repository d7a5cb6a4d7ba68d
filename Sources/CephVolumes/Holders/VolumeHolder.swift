internal import ExactText
public import RBD
public import Volumes

/// A client that has a volume's image.
public struct VolumeHolder: Sendable, Hashable {
    /// The volume.
    public let id: VolumeID
    /// The name that it was requested by; `nil` for an image that is not Nacre's.
    public let name: String?
    /// Its image's id.
    public let imageID: String
    /// Who has it.
    public let client: ImageClient
    /// Until when the client is blocklisted; `nil` if it is not.
    public let refusedUntil: String?

    /// The node's name, where it made a note.
    public var node: String? { client.record?.node }

    /// Whether `target` means this client: its node's name, its address, or the address' host.
    public func matches(_ target: String) -> Bool {
        [node ?? "", client.address, Self.host(of: client.address)].containsExactly(target)
    }

    /// `10.0.0.7` of `10.0.0.7:0/123456`.
    public static func host(of address: String) -> String {
        let place = address.parts(at: "/", omittingEmpty: true).first ?? ""
        guard let colon = place.lastIndex(of: ":") else { return String(place) }
        return place[..<colon].filter { $0 != "[" && $0 != "]" }
    }
}

/// What a fence would do, and then did.
public struct Fence: Sendable, Hashable {
    /// One client of one cluster.
    public struct Client: Sendable, Hashable {
        /// The cluster's key in config.json.
        public let clusterID: String
        /// Whom the cluster will refuse.
        public let address: String
        /// All that it has.
        public let holders: [VolumeHolder]

        /// Whether any of its watches is renewed: then it is alive, and a fence makes its I/O fail.
        public var isAlive: Bool { holders.contains { $0.client.isWatching } }
    }

    /// The clients, by address.
    public let clients: [Client]

    /// Gathers the clients that `target` means.
    ///
    /// - Parameters:
    ///   - target: A node's name, a client's address, or the address' host.
    ///   - holders: Who has what.
    public init(of target: String, among holders: [VolumeHolder]) {
        struct Key: Hashable {
            let clusterID: ExactText
            let address: String
        }
        let aimed = Set(
            holders.filter { $0.matches(target) }.map {
                Key(clusterID: ExactText($0.id.clusterID), address: $0.client.address)
            }
        )
        // A fence affects all images of a client, not only the ones that matched.
        clients = aimed.map { key in
            Client(
                clusterID: key.clusterID.text,
                address: key.address,
                holders: holders.filter {
                    $0.id.clusterID.isExactly(key.clusterID.text) && $0.client.address == key.address
                }
            )
        }
        .sorted { ($0.clusterID, $0.address) < ($1.clusterID, $1.address) }
    }
}
