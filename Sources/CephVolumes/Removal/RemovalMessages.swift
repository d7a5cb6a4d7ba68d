internal import FoundationEssentials
internal import Secrets
internal import Volumes

/// What a service and the process that removes for it tell each other, a line of JSON each.
///
/// The first line to the process is a `RemovalSetting`, all others are `RemovalOrder`s; what comes back are
/// `RemovalNews`. Keys go through the pipe alone.
struct RemovalSetting: Codable, Sendable {
    var configurationPath: String
    var options: [String: String]
    var isLibrbdOnly: Bool
    /// In milliseconds.
    var watchPatience: Int64
}

/// An image to remove.
struct RemovalOrder: Codable, Sendable {
    var ticket: UInt64
    var volume: String
    var imageID: String
    var userID: String
    var userKey: String
    /// In milliseconds.
    var blockedFor: Int64

    init(_ image: TrashedImage, ticket: UInt64) {
        self.ticket = ticket
        volume = image.id.description
        imageID = image.imageID
        userID = image.credentials.userID
        userKey = image.credentials.userKey.withBytes { String(decoding: $0, as: UTF8.self) }
        blockedFor = image.blockedFor.wholeMilliseconds
    }

    /// The image; nothing when the order is not one of ours.
    var image: TrashedImage? {
        guard let id = try? VolumeID(parsing: volume) else { return nil }
        let credentials = Credentials(userID: userID, userKey: Secret(userKey))
        var image = TrashedImage(id: id, imageID: imageID, credentials: credentials)
        image.blockedFor = .milliseconds(blockedFor)
        return image
    }
}

/// What there is to tell of a removal; without a ticket, that the process lives.
enum RemovalNews: Codable, Sendable {
    case alive
    case progress(ticket: UInt64, done: UInt64, total: UInt64)
    case removed(ticket: UInt64)
    case blocked(ticket: UInt64, reason: String)
}

extension Encodable {
    /// As a line of JSON.
    func line() -> [UInt8] {
        ((try? JSONEncoder().encode(self)).map { Array($0) } ?? []) + [UInt8(ascii: "\n")]
    }
}

extension Duration {
    var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }

}
