internal import FoundationEssentials

/// Points in time as Kubernetes writes them.
package enum KubernetesTime {
    /// RFC 3339 with seconds, as `metav1.Time`.
    package static func seconds(_ date: Duration = now) -> String { text(date, fraction: 0) }

    /// RFC 3339 with six digits of a fraction, as `metav1.MicroTime`.
    package static func microseconds(_ date: Duration = now) -> String { text(date, fraction: 6) }

    /// Since 1970.
    package static var now: Duration { .seconds(Date().timeIntervalSince1970) }

    private static func text(_ date: Duration, fraction digits: Int) -> String {
        let (seconds, attoseconds) = date.components
        let days = Int(seconds.quotientAndRemainder(dividingBy: 86_400).quotient)
        let second = Int(seconds % 86_400)
        let (year, month, day) = civil(days)
        let clock = [second / 3600, second / 60 % 60, second % 60].map { padded($0, 2) }.joined(separator: ":")
        let micros = digits == 0 ? "" : ".\(padded(Int(attoseconds / 1_000_000_000_000), 6))"
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(clock)\(micros)Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// Days since 1970 as a date of the Gregorian calendar, by eras of 400 years that start on 1 March.
    private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let march = (5 * dayOfYear + 2) / 153
        let month = march < 10 ? march + 3 : march - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * march + 2) / 5 + 1)
    }
}
