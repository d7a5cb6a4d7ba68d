import ArgumentParser

/// A time such as `60s`, `500ms`, `2m`, `1h`; a number alone is seconds.
struct TimeLimit: ExpressibleByArgument, Hashable, Sendable {
    let duration: Duration

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int(digits), (1...1_000_000).contains(count) else { return nil }
        switch argument.dropFirst(digits.count) {
        case "ms": duration = .milliseconds(count)
        case "", "s": duration = .seconds(count)
        case "m", "min": duration = .seconds(count * 60)
        case "h": duration = .seconds(count * 3600)
        default: return nil
        }
    }

    init(seconds: Int) {
        duration = .seconds(seconds)
    }

    var defaultValueDescription: String { "\(duration.components.seconds)s" }
}
