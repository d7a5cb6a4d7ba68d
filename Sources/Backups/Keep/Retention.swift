internal import ExactText
internal import Timestamps
public import Volumes

/// Which backups of a volume are kept: the last ones, and the last one of each of the last days, weeks and months.
///
/// Days, weeks (from Monday) and months are those of UTC in which there are backups.
public struct Retention: Sendable, Hashable {
    /// How many of the last.
    public var last: Int
    /// Of how many days the last one.
    public var daily: Int
    /// Of how many weeks the last one.
    public var weekly: Int
    /// Of how many months the last one.
    public var monthly: Int

    /// States what is kept.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` if nothing would be kept, or a number is negative.
    public init(last: Int = 0, daily: Int = 0, weekly: Int = 0, monthly: Int = 0) throws(VolumeError) {
        guard [last, daily, weekly, monthly].allSatisfy({ $0 >= 0 }) else {
            throw .invalid("a number of backups to keep is negative; write 0 or more")
        }
        guard last + daily + weekly + monthly > 0 else {
            throw .invalid("no backup would be kept; say how many, such as --keep-last 7")
        }
        (self.last, self.daily, self.weekly, self.monthly) = (last, daily, weekly, monthly)
    }

    /// The ids of those that are kept.
    ///
    /// - Parameter backups: The backups of one volume; id, and when it was made: `2026-11-21T08:09:47.000120Z`.
    /// - Returns: The ids. One whose time cannot be read is kept.
    public func kept(of backups: [(id: String, created: String)]) -> Set<String> {
        let newest = backups.sorted { ExactText($0.created) > ExactText($1.created) }
        var kept = Set(newest.prefix(last).map(\.id))
        var days: Set<Int64> = [], weeks: Set<Int64> = [], months: Set<String> = []
        for backup in newest {
            guard let seconds = Timestamp.seconds(parsing: "\(backup.created.prefix(19))Z") else {
                kept.insert(backup.id)
                continue
            }
            let day = Int64((Double(seconds) / 86_400).rounded(.down))
            // 1970 began on a Thursday.
            let week = Int64((Double(day + 3) / 7).rounded(.down))
            if days.count < daily, days.insert(day).inserted { kept.insert(backup.id) }
            if weeks.count < weekly, weeks.insert(week).inserted { kept.insert(backup.id) }
            if months.count < monthly, months.insert(String(backup.created.prefix(7))).inserted {
                kept.insert(backup.id)
            }
        }
        return kept
    }
}
