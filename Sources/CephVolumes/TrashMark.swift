internal import ExactText
internal import RBD

/// What Nacre writes on an image just before it puts it into the trash: `1764453000.123456789 client.csi-rbd-provisioner`.
///
/// An image in the trash is Nacre's to remove when the trash got it at that time. Whoever restores such an image, and later
/// moves it to the trash by hand, does so at another.
struct TrashMark: Sendable, Hashable {
    /// When, since 1970.
    let time: Duration
    /// Who.
    let user: String

    /// Where librbd makes the entry, it does so a moment after the mark.
    private static let longestMove = Duration.seconds(120)

    init(time: Duration, user: String) {
        self.time = time
        self.user = user
    }

    /// Reads one; nothing when it is none.
    init?(parsing text: String) {
        let words = text.parts(at: " ", most: 1, omittingEmpty: true)
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
        return "\(seconds).\(String(repeating: "0", count: 9 - digits.count))\(digits) \(user)"
    }

    /// Whether it was written for this entry.
    func covers(_ entry: TrashRecord) -> Bool {
        let later = entry.deletedAt - time
        return later >= .zero && later <= Self.longestMove
    }
}
