extension MetricsRegistry {
    /// The names of the described metrics, with or without a value.
    package var described: Set<String> { Set(current.help.keys) }

    /// Everything, in Prometheus' text format 0.0.4.
    package var text: String {
        let state = current
        var text = ""
        for (name, family) in state.families.sorted(by: { $0.key < $1.key }) where !family.series.isEmpty {
            if let help = state.help[name] { text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n" }
            text += "# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, series) in family.series.sorted(by: { $0.labels < $1.labels }) {
                switch series {
                case .value(let value):
                    text += "\(name)\(Self.braced(labels)) \(Self.number(value.current))\n"
                case .pull(let read):
                    text += "\(name)\(Self.braced(labels)) \(Self.number(read()))\n"
                case .histogram(let histogram):
                    text += Self.text(name, labels, histogram.current)
                }
            }
        }
        return text
    }

    private static func text(_ name: String, _ labels: String, _ state: Histogram.State) -> String {
        var text = ""
        var below: UInt64 = 0
        let comma = labels.isEmpty ? "" : ","
        for (limit, count) in zip(Histogram.limits, state.counts) {
            below += count
            text += "\(name)_bucket{\(labels)\(comma)le=\"\(number(limit))\"} \(below)\n"
        }
        text += "\(name)_bucket{\(labels)\(comma)le=\"+Inf\"} \(state.count)\n"
        text += "\(name)_sum\(braced(labels)) \(number(state.sum))\n"
        text += "\(name)_count\(braced(labels)) \(state.count)\n"
        return text
    }

    private static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let integer = Int64(exactly: value) { return String(integer) }
        return String(value)
    }

    /// `a="b",c="d"`, in the order of the names.
    static func rendered(_ labels: Labels) -> String {
        labels.map { (sanitized($0.0), $0.1) }
            .sorted { $0.0 < $1.0 }
            .map { "\($0.0)=\"\(escaped($0.1, quotes: true))\"" }
            .joined(separator: ",")
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// The name, with `_` in place of characters that Prometheus does not allow.
    static func sanitized(_ name: String) -> String {
        var sanitized = ""
        for scalar in name.unicodeScalars {
            let isAllowed =
                switch scalar {
                case "a"..."z", "A"..."Z", "_", ":": true
                case "0"..."9": !sanitized.isEmpty
                default: false
                }
            sanitized.unicodeScalars.append(isAllowed ? scalar : "_")
        }
        return sanitized
    }
}
