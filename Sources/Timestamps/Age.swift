/// How long ago something was, in one unit, as kubectl writes it: `45s`, `17m`, `5h`, `12d`.
public struct Age: Sendable, Equatable, CustomStringConvertible {
    /// As kubectl writes it; `-` if unknown.
    public let description: String

    /// How long before a moment something was.
    ///
    /// - Parameters:
    ///   - past: Seconds since 1970; `nil` if unknown.
    ///   - now: Seconds since 1970.
    public init(of past: Int64?, at now: Int64) {
        guard let past else {
            description = "-"
            return
        }
        let seconds = max(0, now - past)
        description =
            switch seconds {
            case ..<120: "\(seconds)s"
            case ..<7200: "\(seconds / 60)m"
            case ..<172_800: "\(seconds / 3600)h"
            default: "\(seconds / 86_400)d"
            }
    }
}
