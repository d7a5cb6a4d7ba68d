internal import ExactText
internal import RBD

/// The mark that Nacre writes on an image just before it moves it to the trash: `1764453000.123456789
/// client.csi-rbd-provisioner`.
///
/// Nacre removes an image from the trash only if the entry has the same time as the mark. If a person restores the
/// image and later moves it to the trash by hand, the entry has another time.
struct TrashMark: Sendable, Hashable {
    /// When, since 1970.
    let time: Duration
    /// Who.
    let user: String

    /// librbd makes the entry a moment after the mark is written.
    private static let longestMove = Duration.seconds(120)

    init(time: Duration, user: String) {
        self.time = time
        self.user = user
    }

    /// Reads one; `nil` if it is none.
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
