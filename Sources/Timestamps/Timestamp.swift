internal import Glibc

extension Duration {
    /// The time now, since 1970, as Ceph records it.
    public static var sinceEpoch: Duration {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return .seconds(Int64(now.tv_sec)) + .nanoseconds(Int64(now.tv_nsec))
    }
}

/// Points in time as they are written: RFC 3339, in UTC.
public enum Timestamp {
    /// A time in words: `2026-11-21T08:09:47Z`, or with microseconds `2026-11-21T08:09:47.000120Z`.
    ///
    /// - Parameters:
    ///   - date: Since 1970.
    ///   - hasMicroseconds: Whether six digits of a fraction follow the seconds.
    /// - Returns: The text.
    public static func text(_ date: Duration, hasMicroseconds: Bool = false) -> String {
        let (seconds, attoseconds) = date.components
        var clock = time_t(seconds)
        var parts = tm()
        gmtime_r(&clock, &parts)
        let day = "\(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
        let time = "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
        let fraction = hasMicroseconds ? ".\(digits(CInt(attoseconds / 1_000_000_000_000), 6))" : ""
        return "\(day)T\(time)\(fraction)Z"
    }

    /// Reads a time without a fraction.
    ///
    /// - Parameter text: Such as `2026-11-21T08:09:47Z`.
    /// - Returns: Seconds since 1970; `nil` if it is no such text.
    public static func seconds(parsing text: String) -> Int64? {
        let numbers = text.split { "-T:Z".contains($0) }.compactMap { CInt($0) }
        guard numbers.count == 6 else { return nil }
        var parts = tm()
        parts.tm_year = numbers[0] - 1900
        parts.tm_mon = numbers[1] - 1
        parts.tm_mday = numbers[2]
        parts.tm_hour = numbers[3]
        parts.tm_min = numbers[4]
        parts.tm_sec = numbers[5]
        return Int64(timegm(&parts))
    }

    private static func digits(_ number: CInt, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
}
