import Glibc

/// The cases of a long table of kills.
///
/// All of `tools/test` takes half of them, the other half with another commit.
public enum KillTable {
    /// The cases that run now: all of them, or of the half that `NACRE_KILLS_HALF` names, 0 or 1.
    ///
    /// Halves are dealt out in the order A B B A, so that each has both ways of a table that has every step in two ways. What is
    /// left out stands in the log, and in the summary of `tools/test`.
    ///
    /// - Parameters:
    ///   - table: What the cases are of, for the summary.
    ///   - all: All cases.
    /// - Returns: Those that run.
    public static func cases<Case>(_ table: String, _ all: [Case]) -> [Case] {
        guard let half = getenv("NACRE_KILLS_HALF").flatMap({ Int(String(cString: $0)) }) else { return all }
        let chosen = Self.half(half, of: all)
        // At once, so that no other line comes between.
        let line = Array("kills: \(chosen.count) of \(all.count) cases of '\(table)', half \(half)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        return chosen
    }

    /// One of two halves.
    public static func half<Case>(_ number: Int, of all: [Case]) -> [Case] {
        all.enumerated().filter { index, _ in (index ^ index >> 1) & 1 == number & 1 }.map(\.element)
    }
}
