internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import Volumes

/// The mark that Nacre writes on an image just before it moves it to the trash: `1764453000.123456789
/// client.csi-rbd-provisioner`.
///
/// Nacre removes an image from the trash only if the entry has the same time as the mark, to the nanosecond.
/// `rbd trash restore` leaves the mark on the image; if a person then moves the image to the trash, the entry has another
/// time, and is theirs.
///
/// librbd chooses an entry's time itself. Where it moves the image, the mark begins with `moving` until the entry is there
/// and the mark gets its time.
struct TrashMark: Sendable, Hashable {
    /// When, since 1970.
    let time: Duration
    /// Who.
    let user: String
    /// Whether the entry's time is not known yet.
    let isMoving: Bool

    /// For how long an entry may be that of a move which was killed before its mark got the time.
    static let longestMove = Duration.seconds(120)
    private static let moving = "moving "

    init(time: Duration, user: String, isMoving: Bool = false) {
        self.time = time
        self.user = user
        self.isMoving = isMoving
    }

    /// Reads one; `nil` if it is none.
    init?(parsing text: String) {
        isMoving = text.startsExactly(with: Self.moving)
        let rest = isMoving ? String(text.dropFirst(Self.moving.count)) : text
        let words = rest.parts(at: " ", most: 1, omittingEmpty: true)
        let parts = words.first.map { $0.parts(at: ".", omittingEmpty: true) } ?? []
        guard parts.count == 2, let seconds = Int64(parts[0]), parts[1].count == 9, let nanoseconds = Int64(parts[1])
        else { return nil }
        time = .seconds(seconds) + .nanoseconds(nanoseconds)
        user = words.count > 1 ? String(words[1]) : ""
    }

    /// As it stands on the image.
    var text: String {
        let (seconds, attoseconds) = time.components
        let digits = String(attoseconds / 1_000_000_000)
        return
            "\(isMoving ? Self.moving : "")\(seconds).\(String(repeating: "0", count: 9 - digits.count))\(digits) \(user)"
    }

    /// Whether it was written for this entry.
    func covers(_ entry: TrashRecord) -> Bool {
        guard isMoving else { return entry.deletedAt == time }
        let later = entry.deletedAt - time
        return later >= .zero && later <= Self.longestMove
    }
}

extension Place {
    /// Says on the image that we put it into the trash, and when.
    func remark(
        _ imageID: String,
        at time: Duration,
        isMoving: Bool = false,
        _ notes: [String: String] = [:]
    ) async throws(VolumeError) -> TrashMark {
        let mark = TrashMark(time: time, user: credentials.entityName, isMoving: isMoving)
        try await trying("mark image") { () async throws(RBDError) in
            try await context.setMetadata(
                notes.merging([ImageMetadataKey.trashed: mark.text]) { $1 },
                ofImageID: imageID
            )
        }
        return mark
    }
}
