/// How long a deleted volume stays in Ceph's trash before it is removed: `0`, `90s`, `30m`, `72h`, `7d`; a number alone
/// is seconds.
public struct TrashRetention: Sendable, Hashable, CustomStringConvertible {
    /// Seconds, 0 to ten years.
    public let seconds: UInt64

    /// Ceph's trash counts seconds in 32 bits.
    private static let longest: UInt64 = 10 * 365 * 86_400

    /// Reads one; `nil` if it is none.
    public init?(parsing text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let units: [Substring: UInt64] = ["": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400]
        guard digits.utf8.count <= 10, let count = UInt64(digits), let unit = units[text.dropFirst(digits.count)],
            count * unit <= Self.longest
        else { return nil }
        seconds = count * unit
    }

    /// At once.
    public static let none = TrashRetention(seconds: 0)

    private init(seconds: UInt64) { self.seconds = seconds }

    /// In the largest unit that it is a whole number of: `7d`, `36h`, `0`.
    public var description: String {
        let units: [(seconds: UInt64, letter: String)] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")]
        guard seconds > 0, let unit = units.first(where: { seconds % $0.seconds == 0 }) else { return "0" }
        return "\(seconds / unit.seconds)\(unit.letter)"
    }

    /// The same as a duration.
    public var duration: Duration { .seconds(Int64(seconds)) }
}
