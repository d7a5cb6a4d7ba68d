internal import ExactText

/// Columns of text, as wide as their widest cell.
public struct Table {
    private let headings: [String]
    /// The cells, row by row.
    public var rows: [[String]] = []

    /// A table with these headings, and no rows yet.
    public init(_ headings: String...) {
        self.headings = headings
    }

    /// The lines, headings first; the last column is not padded.
    ///
    /// - Parameter heading: Puts the first line into another form, such as a colour.
    /// - Returns: The lines, without what ends them.
    public func lines(heading: (String) -> String = { $0 }) -> [String] {
        // Whatever a cell repeats, it is one cell of one line.
        let rows = rows.map { $0.map(\.onOneLine) }
        let widths = headings.indices.map { column in
            ([headings] + rows).map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        let texts = ([headings] + rows).map { row in
            row.enumerated()
                .map { $0 + 1 == row.count ? $1 : $1 + String(repeating: " ", count: widths[$0] - $1.count) }
                .joined(separator: "  ")
        }
        return texts.enumerated().map { $0 == 0 ? heading($1) : $1 }
    }

    /// The lines as one text.
    public var text: String { lines().joined(separator: "\n") }
}
