internal import ExactText
internal import Volumes

/// The output of a file system's program, reduced to what a person needs.
enum ToolOutput {
    /// Why a program failed: its own words, without its usage text.
    static func reason(_ output: String) -> String {
        let lines = lines(of: output)
        guard !lines.isEmpty else { return "it said nothing" }
        let words = lines.prefix { !$0.lowercased().startsExactly(with: "usage:") }
        guard !words.isEmpty else { return "it does not take what it was called with" }
        return joined(Array(words.suffix(4)))
    }

    /// What a check found and did.
    struct Check: Sendable, Hashable {
        /// The problems that were not repaired, in the order in which they were found.
        let damage: [String]
        /// What was mended.
        let mended: [String]

        /// Sorts the lines of e2fsck or xfs_repair.
        init(_ output: String) {
            var damage: [String] = []
            var mended: [String] = []
            for line in ToolOutput.lines(of: output) where !Self.isNoise(line) {
                // e2fsck -p ends such a line with what it did.
                let isMended = ["FIXED.", "CLEARED.", "RECREATED.", "RELOCATED.", "SALVAGED.", "DELETED.", "EXPANDED."]
                    .contains { line.endsExactly(with: $0) }
                if isMended { mended.append(line) } else { damage.append(line) }
            }
            self.damage = damage
            self.mended = mended
        }

        /// In words: the first problems, and what was done.
        ///
        /// - Parameter changes: Whether the program was allowed to repair.
        /// - Returns: Without a full stop.
        func description(changes: Bool) -> String {
            let wrong = damage.isEmpty ? "it does not say what" : ToolOutput.joined(Array(damage.prefix(4)))
            let more = damage.count > 4 ? " and \(damage.count - 4) more" : ""
            guard changes, !mended.isEmpty else { return "\(wrong)\(more); nothing was changed" }
            return
                "\(wrong)\(more); before that it mended \(mended.count == 1 ? "one thing" : "\(mended.count) things") "
                + "(\(ToolOutput.joined(Array(mended.prefix(3)))))"
        }

        /// What comes with every damage, or with none.
        private static func isNoise(_ line: String) -> Bool {
            let isProgress = ["Pass ", "Phase ", "- ", "e2fsck 1", "(i.e., ", "No modify flag"]
                .contains { line.startsExactly(with: $0) }
            let isCommon = [
                "UNEXPECTED INCONSISTENCY", "was not cleanly unmounted", "WARNING: Filesystem still has errors",
                "contains a file system with errors, check forced", "blocks (check", "recovering journal",
            ]
            .contains { line.contains($0) }
            let isSum = line.contains(" files (") && line.endsExactly(with: "blocks")
            return isProgress || isCommon || isSum || ["Fix? no", "Clear? no", "IGNORED."].contains(line)
        }
    }

    private static func lines(of output: String) -> [String] {
        output.split(whereSeparator: \.isNewline)
            .map { String($0.drop { $0 == " " || $0 == "\t" }) }
            .filter { !$0.allSatisfy(\.isWhitespace) }
    }

    private static func joined(_ lines: [String]) -> String { lines.map(\.printable).joined(separator: "; ") }
}
