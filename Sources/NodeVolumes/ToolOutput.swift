internal import ExactText
internal import Volumes

/// The output of a file system's program, reduced to what a person needs.
enum ToolOutput {
    /// Why a program failed: its own words, without its usage text.
    static func reason(_ output: String) -> String {
        let lines = lines(of: output)
        guard !lines.isEmpty else { return "it said nothing" }
        guard !isOfNoSize(output) else { return "its device has no bytes" }
        let words = lines.prefix { line in
            !["usage:", "extended options are separated by"].contains { line.lowercased().startsExactly(with: $0) }
        }
        .filter { !$0.startsExactly(with: "mke2fs 1.") && $0 != "Bad option(s) specified:" }
        guard !words.isEmpty else { return "it does not take what it was called with" }
        return joined(Array(words.suffix(4)))
    }

    /// mke2fs's advice for a disk without a size is about partition tables, which a volume has none of.
    private static func isOfNoSize(_ output: String) -> Bool {
        output.contains("Device size reported to be zero") || output.contains("size 0 of data subvolume is too small")
    }

    /// Whether a check that writes nothing found changes in the log which no mount has written to their places yet.
    ///
    /// It takes each of them for damage, so what else it says tells nothing.
    static func hasUnreplayedLog(_ output: String) -> Bool {
        ["valuable metadata changes in a log", "skipping journal recovery"].contains { output.contains($0) }
    }

    /// Whether xfs_repair could not look, for want of memory or of an answer of the device; it ends with 1 for damage, too.
    static func hasGivenUp(_ output: String) -> Bool {
        lines(of: output).contains { line in
            // It quotes names of files, so a line's own beginning counts.
            line.startsExactly(with: "fatal error -- ") || line.startsExactly(with: "xfs_repair: read failed: ")
        }
    }

    /// The features that e2fsck does not know, as it names them; nothing when it knows all.
    static func unknownFeatures(_ output: String) -> String? {
        let mark = "has unsupported feature(s): "
        guard let line = lines(of: output).first(where: { $0.contains(mark) }), let start = line.firstRange(of: mark)
        else {
            return nil
        }
        return String(line[start.upperBound...]).printable
    }

    /// What a check found and did.
    struct Check: Sendable, Hashable {
        /// The problems that were not repaired, in the order in which they were found.
        let damage: [String]
        /// What was changed, as its own words have it: mended.
        let mended: [String]

        /// Sorts the lines of e2fsck or xfs_repair.
        init(_ output: String) {
            var damage: [String] = []
            var mended: [String] = []
            for line in ToolOutput.lines(of: Self.withoutNotes(output)) {
                if line.endsExactly(with: "recovering journal") {
                    mended.append("replayed its journal")
                    continue
                }
                guard !Self.isNoise(line) else { continue }
                // e2fsck -p ends such a line with what it did, or begins it with what it does behind the device's name.
                let isMended =
                    ["Clearing orphaned ", "Truncating orphaned ", "Clearing orphan "].contains {
                        line.contains(": \($0)")
                    }
                    || ["FIXED.", "CLEARED.", "RECREATED.", "RELOCATED.", "SALVAGED.", "DELETED.", "EXPANDED."]
                        .contains { line.endsExactly(with: $0) }
                if isMended { mended.append(line) } else { damage.append(line) }
            }
            self.damage = damage
            self.mended = mended
        }

        /// Without e2fsck's advice, which comes before what it is about and hides that.
        private static func withoutNotes(_ output: String) -> String {
            var isNote = false
            let lines = output.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).filter { line in
                if line.contains("Note: if several inode or block bitmap blocks") { isNote = true }
                guard isNote else { return true }
                isNote = !line.allSatisfy(\.isWhitespace)
                return false
            }
            return lines.joined(separator: "\n")
        }

        /// In words: the first problems, and what was done.
        ///
        /// - Parameter hasChanged: Whether the file system is another than before.
        /// - Returns: Without a full stop.
        func description(hasChanged: Bool) -> String {
            let wrong = damage.isEmpty ? "it does not say what" : ToolOutput.joined(Array(damage.prefix(4)))
            let more = damage.count > 4 ? "; \(damage.count - 4) more" : ""
            guard hasChanged else { return "\(wrong)\(more); nothing was changed" }
            guard !mended.isEmpty else { return "\(wrong)\(more); it does not say what it changed before that" }
            return
                "\(wrong)\(more); before that it changed \(mended.count == 1 ? "one thing" : "\(mended.count) things") "
                + "(\(ToolOutput.joined(Array(mended.prefix(3)))))"
        }

        /// What comes with every damage, or with none.
        private static func isNoise(_ line: String) -> Bool {
            let isProgress = ["Pass ", "Phase ", "- ", "e2fsck 1", "(i.e., ", "No modify flag"]
                .contains { line.startsExactly(with: $0) }
            let isCommon = [
                "UNEXPECTED INCONSISTENCY", "was not cleanly unmounted", "WARNING: Filesystem still has errors",
                "contains a file system with errors, check forced", "blocks (check",
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
