import Foundation

/// The table of metrics in the manual, `Sources/Manual/Manual.docc/Metrics.md`.
public struct MetricsTable: Sendable {
    /// A row of it.
    public struct Row: Sendable, Hashable {
        /// The family.
        public let name: String
        /// `counter`, `gauge` or `histogram`.
        public let kind: String
        /// The labels of its series.
        public let labels: Set<String>
        /// `controller`, `agent` or `both`.
        public let of: String
    }

    /// By name.
    public let rows: [String: Row]

    /// Reads it.
    ///
    /// - Parameter page: The path of that page.
    /// - Throws: If it cannot be read.
    public init(page: String) throws {
        var rows: [String: Row] = [:]
        for line in try String(contentsOfFile: page, encoding: .utf8).split(separator: "\n") where line.hasPrefix("| `")
        {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 7, ["counter", "gauge", "histogram"].contains(cells[2]) else { continue }
            let name = cells[1].trimmingCharacters(in: ["`"])
            let labels = cells[3].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            rows[name] = Row(name: name, kind: cells[2], labels: Set(labels), of: cells[4])
        }
        self.rows = rows
    }

    /// The row of a series, whose name may be part of a histogram.
    public func row(ofSeries series: String) -> Row? {
        if let row = rows[series] { return row }
        for suffix in ["_bucket", "_sum", "_count"] where series.hasSuffix(suffix) {
            if let row = rows[String(series.dropLast(suffix.count))], row.kind == "histogram" { return row }
        }
        return nil
    }
}

/// A parsed answer of `/metrics`.
public struct Exposition: Sendable {
    /// A series and its value.
    public struct Sample: Sendable {
        /// The series.
        public let name: String
        /// Its labels.
        public let labels: [String: String]
        /// As written.
        public let value: String
    }

    /// All of them, in order.
    public var samples: [Sample] = []
    /// The types of the families.
    public var kinds: [String: String] = [:]
    /// The help texts of the families.
    public var helps: [String: String] = [:]

    /// Parses it.
    public init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if words.first == "#" {
                if words[1] == "TYPE" { kinds[words[2]] = words[3] } else { helps[words[2]] = words[3] }
                continue
            }
            guard let match = line.wholeMatch(of: /([a-z_]+)(?:\{(.*)\})? (\S+)/) else { continue }
            var labels: [String: String] = [:]
            for label in (match.output.2 ?? "").matches(of: /([a-z_]+)="((?:[^"\\]|\\.)*)"/) {
                labels[String(label.output.1)] = String(label.output.2)
            }
            samples.append(
                Sample(name: String(match.output.1), labels: labels, value: String(match.output.3))
            )
        }
    }
}
