internal import FoundationEssentials
internal import Secrets
internal import Volumes

/// The messages between a service and its removing process, one line of JSON each.
///
/// The first line to the process is a `RemovalSetting`, all others are `RemovalOrder`s; the answers are `RemovalNews`.
/// Keys are passed only through the pipe.
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

    /// The image; `nil` if the order cannot be parsed.
    var image: TrashedImage? {
        guard let id = try? VolumeID(parsing: volume) else { return nil }
        let credentials = Credentials(userID: userID, userKey: Secret(userKey))
        var image = TrashedImage(id: id, imageID: imageID, credentials: credentials)
        image.blockedFor = .milliseconds(blockedFor)
        return image
    }
}

/// News of a removal; without a ticket, a sign that the process is alive.
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
